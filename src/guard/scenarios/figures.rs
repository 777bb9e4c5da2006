//! The figures of a run.

use serde_json::{Map, Value, json};
use throng::guard::{Calls, Harness};
use throng::sys::counting::Requests;

/// The counts of a run's measured part.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figures {
    operations: u64,
    calls: Calls,
    allocations: u64,
    allocated: u64,
    held: i64,
}

/// The counts at the start of a run's measured part.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Start {
    requests: Requests,
    calls: Calls,
}

impl Start {
    pub(crate) fn of(harness: &Harness) -> Self {
        Self { requests: crate::ALLOCATOR.requests(), calls: harness.calls() }
    }

    /// Returns the counts since the start, for `operations` operations.
    pub(crate) fn to(self, harness: &Harness, operations: u64) -> Figures {
        let now = crate::ALLOCATOR.requests();
        Figures {
            operations,
            calls: harness.calls().since(&self.calls),
            allocations: now.allocations - self.requests.allocations,
            allocated: now.allocated - self.requests.allocated,
            held: now.held() - self.requests.held(),
        }
    }
}

impl Figures {
    pub(crate) fn to_json(self) -> Value {
        let calls: Map<String, Value> =
            self.calls.entries().into_iter().map(|(name, count)| (name.into(), count.into())).collect();
        json!({
            "operations": self.operations,
            "calls": calls,
            "allocations": self.allocations,
            "allocated_bytes": self.allocated,
            "held_bytes": self.held,
        })
    }
}
