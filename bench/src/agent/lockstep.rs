//! Load machines that take their steps together.

use std::collections::BTreeMap;

use super::wire::{Answer, Clients, Machine, Point, Step};
use crate::servers::host::ServerPlan;

/// The steps of so many machines. A machine may ask for a step again, also for the last one: its answer may have been lost, or
/// the first time it was only told to wait. `R` is where an answer goes.
#[derive(Debug)]
pub(super) struct Lockstep<R> {
    machines: u32,
    /// The number of the step that is being gathered.
    number: u64,
    asked: BTreeMap<u32, (Step, R)>,
    /// The answer to the step before.
    last: Option<Answer>,
}

/// What became of an ask.
#[derive(Debug, PartialEq)]
pub(super) enum Taken<R> {
    /// Others are missing.
    Gathered,
    /// It can be answered at once.
    Known(R, Answer),
    /// It makes no sense, and the session neither, any more.
    Wrong(R, String),
}

/// What all machines asked for, put together.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Joint {
    /// Begin; with what each machine said.
    Enter(Vec<(u32, String)>),
    /// Start a server with room for the connections of all.
    Start(ServerPlan),
    /// Read the server's machine; with the clients of all.
    Meet(Point, Clients),
    Stop,
    Leave,
}

impl<R> Lockstep<R> {
    pub(super) const fn new(machines: u32) -> Self {
        Self { machines, number: 0, asked: BTreeMap::new(), last: None }
    }

    /// Whether no step has been taken yet.
    pub(super) const fn is_first(&self) -> bool {
        self.number == 0
    }

    pub(super) fn take(&mut self, machine: Machine, number: u64, step: Step, reply: R) -> Taken<R> {
        if machine.of != self.machines {
            let text = format!("machine {machine} joins a session of {} load machines", self.machines);
            return Taken::Wrong(reply, text);
        }
        if let Some(last) = self.last.as_ref().filter(|_| number + 1 == self.number) {
            return Taken::Known(reply, last.clone());
        }
        if number != self.number {
            let text = format!(
                "machine {machine} asks for step {number} while the others take step {}",
                self.number
            );
            return Taken::Wrong(reply, text);
        }
        match self.asked.get(&machine.number) {
            Some((earlier, _)) if *earlier != step => {
                Taken::Wrong(reply, format!("two load machines call themselves {machine}"))
            }
            _ => {
                self.asked.insert(machine.number, (step, reply));
                Taken::Gathered
            }
        }
    }

    /// What all have asked for, once they have; an error when they have not asked for the same.
    pub(super) fn joint(&self) -> Option<Result<Joint, String>> {
        (self.asked.len() == self.machines as usize)
            .then(|| join(self.asked.iter().map(|(&at, (step, _))| (at, step))))
    }

    /// Ends the step. The replies are for those who wait for its answer.
    pub(super) fn finish(&mut self, answer: &Answer) -> Vec<R> {
        self.number += 1;
        self.last = Some(answer.clone());
        self.drain()
    }

    /// Those who wait for an answer.
    pub(super) fn drain(&mut self) -> Vec<R> {
        std::mem::take(&mut self.asked).into_values().map(|(_, reply)| reply).collect()
    }
}

fn join<'a>(steps: impl Iterator<Item = (u32, &'a Step)>) -> Result<Joint, String> {
    let mut joint: Option<Joint> = None;
    for (machine, step) in steps {
        let own = Joint::of(machine, step);
        match &mut joint {
            None => joint = Some(own),
            Some(others) => others.add(own).map_err(|(others, own)| {
                format!("load machines disagree: give all of them the same options (one wants {others}, machine {machine} {own})")
            })?,
        }
    }
    joint.ok_or_else(|| "there are no load machines".to_owned())
}

impl Joint {
    fn of(machine: u32, step: &Step) -> Self {
        match step {
            Step::Enter { boot_id, .. } => Self::Enter(vec![(machine, boot_id.clone())]),
            Step::Start(plan) => Self::Start(plan.clone()),
            Step::Meet(point, clients) => Self::Meet(*point, *clients),
            Step::Stop => Self::Stop,
            Step::Leave => Self::Leave,
        }
    }

    /// Adds what another machine asked for; both as text if that is something else.
    fn add(&mut self, own: Self) -> Result<(), (String, String)> {
        match (&mut *self, &own) {
            (Self::Enter(all), Self::Enter(own)) => all.extend(own.iter().cloned()),
            (Self::Start(all), Self::Start(own)) if all.is_like(own) => all.connections += own.connections,
            (Self::Meet(point, all), Self::Meet(own_point, own)) if point == own_point => all.add(own),
            (Self::Stop, Self::Stop) | (Self::Leave, Self::Leave) => {}
            _ => return Err((format!("{self:?}"), format!("{own:?}"))),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::servers::host::Kind;

    const A: Machine = Machine { number: 1, of: 2 };
    const B: Machine = Machine { number: 2, of: 2 };

    fn plan(kind: Kind, connections: u64) -> Step {
        Step::Start(ServerPlan {
            kind,
            connections,
            ping_interval: Duration::from_secs(30),
            pong_timeout: Duration::from_secs(10),
            workers: None,
        })
    }

    #[test]
    fn a_step_is_taken_when_all_have_come() {
        let mut steps = Lockstep::new(2);
        assert_eq!(steps.take(A, 0, plan(Kind::Throng, 30), 'a'), Taken::Gathered);
        assert_eq!(steps.joint(), None);
        // Told to wait, it asks again, and only the later one is answered.
        assert_eq!(steps.take(A, 0, plan(Kind::Throng, 30), 'A'), Taken::Gathered);
        assert_eq!(steps.take(B, 0, plan(Kind::Throng, 20), 'b'), Taken::Gathered);
        let Some(Ok(Joint::Start(joint))) = steps.joint() else { panic!("not joined") };
        assert_eq!(joint.connections, 50);
        assert_eq!(steps.finish(&Answer::Done), ['A', 'b']);
        // Whose answer was lost gets it again; the next step is another matter.
        assert_eq!(steps.take(B, 0, plan(Kind::Throng, 20), 'b'), Taken::Known('b', Answer::Done));
        assert_eq!(steps.take(B, 1, Step::Stop, 'b'), Taken::Gathered);
        assert_eq!(steps.joint(), None);
    }

    #[test]
    fn clients_are_added_up_and_the_fewest_pings_count() {
        let clients = |open, min_pings| Clients { open, min_pings, cpu_nanos: 5, ..Clients::default() };
        let mut steps = Lockstep::new(2);
        steps.take(A, 0, Step::Meet(Point::Held, clients(3, 4)), 'a');
        steps.take(B, 0, Step::Meet(Point::Held, clients(2, 2)), 'b');
        let expected = Clients { open: 5, min_pings: 2, cpu_nanos: 10, ..Clients::default() };
        assert_eq!(steps.joint(), Some(Ok(Joint::Meet(Point::Held, expected))));
    }

    #[test]
    fn machines_that_do_not_belong_together_are_told() {
        let wrong = |taken| match taken {
            Taken::Wrong(_, text) => text,
            other => panic!("{other:?}"),
        };
        let mut steps = Lockstep::new(2);
        assert!(wrong(steps.take(Machine::ONLY, 0, Step::Stop, ())).contains("session of 2"));
        assert!(wrong(steps.take(A, 1, Step::Stop, ())).contains("step 1"));
        steps.take(A, 0, Step::Stop, ());
        assert!(wrong(steps.take(A, 0, Step::Leave, ())).contains("two load machines"));
        for (other, text) in [(plan(Kind::Floor, 1), "Floor"), (Step::Stop, "same options")] {
            let mut steps = Lockstep::new(2);
            steps.take(A, 0, plan(Kind::Throng, 1), ());
            steps.take(B, 0, other, ());
            let error = steps.joint().unwrap().unwrap_err();
            assert!(error.contains(text), "{error}");
        }
    }
}
