//! The items that a client appends to its output.

use super::behavior::Bounds;
use super::choices::Choices;
use super::client::Client;
use super::output::AppAction;
use super::world::World;

impl Client {
    /// Appends a new item to the client's output.
    pub(crate) fn produce(&mut self, bounds: Bounds, choices: &Choices) {
        if self.has_ended || self.output.pending.len() > 100_000 {
            return;
        }
        if self.output.is_finished {
            if choices.one_in(10) {
                self.output.garbage(choices);
            }
            return;
        }
        if choices.one_in(self.behavior.fault_every) {
            return self.output.fault(bounds, choices);
        }
        let small = choices.pick(&[0, 1, 5, 20, 125, 126, 300]);
        match choices.weighted_index(&[40, 10, 10, 10, 6, 3, 3, 2, 2, 2, 1]) {
            0 => self.output.message(small, 1, AppAction::Echo, bounds, choices),
            1 => self.output.message(small, choices.between(2, 5), AppAction::Echo, bounds, choices),
            2 => self.output.ping(choices),
            3 => self.output.message(small, 1, AppAction::Quiet, bounds, choices),
            4 => {
                let order = AppAction::Answer(choices.pick(&[0, 126, 500, 4_000, 70_000]));
                self.output.message(small, 1, order, bounds, choices);
            }
            5 => self.output.pong(b"unasked", choices),
            6 => {
                let len = choices.pick(&[
                    bounds.max_message,
                    bounds.max_message - 1,
                    65_535,
                    65_536,
                    bounds.fills_outbox,
                ]);
                let order = choices.pick(&[AppAction::Echo, AppAction::Quiet]);
                self.output.message(len, choices.between(1, 64), order, bounds, choices);
            }
            7 => self.output.message(small, 1, AppAction::Post, bounds, choices),
            8 => self.output.message(small, 1, AppAction::Repeat(choices.between(2, 6)), bounds, choices),
            9 => {
                let code = choices.pick(&[None, Some(1000), Some(1001), Some(3000), Some(4999)]);
                self.output.close(code, choices);
            }
            _ => {
                let code = choices.pick(&[1000, 1008, 3999]);
                let order = if choices.one_in(12) && bounds.may_drain {
                    AppAction::Drain
                } else {
                    AppAction::Close(code)
                };
                self.output.message(small, 1, order, bounds, choices);
            }
        }
    }

    /// Appends more output than an iteration reads from one connection.
    pub(crate) fn flood(&mut self, bounds: Bounds, choices: &Choices) {
        let len = choices.pick(&[0, 100, 1_000]).min(bounds.max_message);
        let what = choices.below(if self.output.deflater.is_some() { 5 } else { 3 });
        let order = choices.pick(&[AppAction::Quiet, AppAction::Echo]);
        let mut expanded = 0;
        while self.output.pending.len() < 300_000 && !self.output.is_finished && !self.has_ended {
            match what {
                // A few compressed bytes that become many.
                3.. if expanded > 1_500_000 => break,
                3.. => {
                    self.output.compressed_message(bounds.max_message, order, bounds, choices);
                    expanded += bounds.max_message;
                }
                0 => self.output.pong(&[0; 125], choices),
                1 => self.output.message(len.max(100), 1, AppAction::Quiet, bounds, choices),
                _ => self.output.ping(choices),
            }
        }
    }

    /// Begins a message whose last frame follows later, with Pings before it. Returns the bytes of these Pings, or `None` if the client's
    /// output is finished.
    pub(crate) fn begin_message(
        &mut self,
        world: &mut World,
        bounds: Bounds,
        choices: &Choices,
    ) -> Option<usize> {
        if self.output.is_finished || self.has_ended {
            return None;
        }
        let pings = choices.pick(&[600, 2_000, 9_000]);
        let (first, flood) = self.output.message_with_pings(pings, bounds, choices);
        self.send(world, first);
        Some(flood)
    }
}
