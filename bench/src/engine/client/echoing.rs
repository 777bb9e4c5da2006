//! Messages that are to come back, as a thread's event loop sends them.

use std::time::{Duration, Instant};

use super::super::echo::Echoes;
use super::super::visits::Visits;
use super::{BUDGET, Client};

impl<V: Visits> Client<'_, V> {
    pub(super) fn start_echoing(&mut self) {
        let Some(run) = self.shared.echo() else { return };
        let open = self.connections.iter().enumerate().filter(|(_, connection)| connection.is_open());
        let open: Vec<usize> = open.map(|(index, _)| index).collect();
        self.wire.start_echoes(Echoes::new(run, self.thread, &open, self.connections.len()));
    }

    /// Sends what is due, and hands over what came back once all of it has.
    pub(super) fn echo_some(&mut self) -> anyhow::Result<()> {
        for _ in 0..BUDGET {
            let Some(index) = self.wire.echoes.as_mut().and_then(|echoes| echoes.next_due(Instant::now()))
            else {
                break;
            };
            self.wire.index = index;
            let step = self.connections[index].send_due(&mut self.wire);
            self.count(index, step);
        }
        if let Some(echoes) = self.wire.echoes.take_if(|echoes| echoes.is_over(self.now)) {
            let echoed = echoes.finish();
            let mut ledger = self.shared.ledger();
            ledger.echoed.add(&echoed);
            ledger.done_echoing += 1;
        }
        let planned = self.wire.echoes.as_ref().and_then(|echoes| echoes.next_planned());
        planned.map_or(Ok(()), |planned| self.wake_at(planned))
    }

    /// How long the loop may sleep for the sake of messages that are due. Planned ones have the timer.
    pub(super) fn until_echoes(&self) -> Duration {
        let Some(echoes) = &self.wire.echoes else { return Duration::MAX };
        echoes.until_start(self.now).unwrap_or(Duration::MAX)
    }
}
