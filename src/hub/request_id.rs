//! The ids of clients' requests.

use serde::ser::Error;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

/// The `id` of a request, if the request has one. The answer repeats it.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct RequestId(Option<Box<RequestIdValue>>);

impl RequestId {
    /// The id of a request without `id`.
    pub(crate) const NONE: Self = Self(None);

    pub(crate) fn new(name: RequestIdValue) -> Self {
        Self(Some(Box::new(name)))
    }

    pub(crate) const fn is_some(&self) -> bool {
        self.0.is_some()
    }

    pub(crate) fn value(&self) -> Option<&RequestIdValue> {
        self.0.as_deref()
    }
}

/// The value of an `id`, as the client wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RequestIdValue {
    /// The number's literal, since it may have more digits than any integer type holds.
    Number(Box<str>),
    Text(Box<str>),
}

impl RequestIdValue {
    pub(crate) const fn len(&self) -> usize {
        let (Self::Number(name) | Self::Text(name)) = self;
        name.len()
    }
}

impl Serialize for RequestIdValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Number(literal) => {
                let literal: &RawValue = serde_json::from_str(literal).map_err(S::Error::custom)?;
                literal.serialize(serializer)
            }
        }
    }
}
