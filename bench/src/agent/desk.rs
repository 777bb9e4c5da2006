//! What an agent does: one session at a time, one server at a time.

use std::time::{Duration, Instant};

use super::lockstep::{Joint, Taken};
use super::session::Session;
use super::wire::{Answer, Ask, Machine, PROTOCOL, Request, Step};
use crate::measure::interrupt::Interrupt;
use crate::servers::host::Programs;

/// A load machine that has not been heard of for so long has ended: it asks several times a second, but for the time in which it
/// starts its clients.
const SILENCE: Duration = Duration::from_secs(90);

/// What an answer is: the error is for people.
pub(super) type Outcome = Result<Answer, String>;

/// Where an answer goes.
pub(super) trait Reply {
    /// Sends it. Whoever has gone meanwhile does without.
    fn send(self, outcome: Outcome);
}

/// The agent between two requests.
pub(super) struct Desk<R> {
    programs: Programs,
    interrupt: Interrupt,
    session: Option<Session<R>>,
    /// The name of the session before, and how it ended.
    over: Option<(String, Result<(), String>)>,
}

/// What happened to the sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum News {
    /// Load machines have begun a session of this name.
    Began(String),
    /// A session has ended; the error says why, where that was early.
    Ended(Result<(), String>),
}

impl<R: Reply> Desk<R> {
    pub(super) const fn new(programs: Programs, interrupt: Interrupt) -> Self {
        Self { programs, interrupt, session: None, over: None }
    }

    /// Answers a request, now or when others have come.
    pub(super) fn take(&mut self, request: Request, reply: R, now: Instant) -> Option<News> {
        let Request { machine, session, ask } = request;
        if self.has_left(session.as_deref(), &ask) {
            reply.send(Ok(Answer::Done));
            return None;
        }
        if let Err(text) = self.is_of_this(session.as_deref(), &ask) {
            reply.send(Err(text));
            return None;
        }
        let running = self.session.get_or_insert_with(|| Session::of(machine.of));
        running.heard.insert(machine.number, now);
        match ask {
            Ask::Sample => {
                reply.send(running.sample().map_err(|error| format!("{error:#}")));
                None
            }
            Ask::Quit(why) => {
                reply.send(Ok(Answer::Done));
                self.end(Err(format!("load machine {machine} has ended: {why}")))
            }
            Ask::Step(number, step) => self.step(machine, number, step, reply),
        }
    }

    /// Ends the session when one of its machines has not been heard of for too long.
    pub(super) fn look(&mut self, now: Instant) -> Option<News> {
        let heard = &self.session.as_ref()?.heard;
        let (number, _) = heard.iter().find(|(_, heard)| now.duration_since(**heard) > SILENCE)?;
        let why = format!("load machine {number} has said nothing for {} s", SILENCE.as_secs());
        self.end(Err(why))
    }

    /// Ends what there is.
    pub(super) fn close(&mut self) {
        let _ = self.end(Err("the agent was ended".to_owned()));
    }

    /// Whether the last of the others has left while this machine was told to ask again.
    fn has_left(&self, session: Option<&str>, ask: &Ask) -> bool {
        let left = self.over.as_ref().filter(|(_, end)| end.is_ok()).map(|(name, _)| &name[..]);
        matches!(ask, Ask::Step(_, Step::Leave)) && session.is_some() && left == session
    }

    fn is_of_this(&self, session: Option<&str>, ask: &Ask) -> Result<(), String> {
        if let Ask::Step(_, Step::Enter { protocol, .. }) = ask
            && *protocol != PROTOCOL
        {
            return Err(format!(
                "the agent speaks version {PROTOCOL} of the protocol and the load machine {protocol}: build both of the same commit"
            ));
        }
        match (&self.session, session) {
            (Some(running), Some(name)) if running.name == name => Ok(()),
            // While machines come in, nobody knows the session's name.
            (Some(running), None) if running.steps.is_first() => Ok(()),
            (None, None) if matches!(ask, Ask::Step(..)) => Ok(()),
            (Some(running), None) => Err(format!(
                "the agent is busy with {} load machines of another session: try again when they are done",
                running.heard.len()
            )),
            (_, name) => Err(match &self.over {
                Some((over, Err(why))) if name.is_some_and(|name| name == over) => why.clone(),
                _ => "there is no such session any more".to_owned(),
            }),
        }
    }

    fn step(&mut self, machine: Machine, number: u64, step: Step, reply: R) -> Option<News> {
        let session = self.session.as_mut()?;
        match session.steps.take(machine, number, step, reply) {
            Taken::Known(reply, answer) => {
                reply.send(Ok(answer));
                return None;
            }
            Taken::Wrong(reply, text) => {
                reply.send(Err(text.clone()));
                return self.end(Err(text));
            }
            Taken::Gathered => {}
        }
        let joint = match session.steps.joint()? {
            Ok(joint) => joint,
            Err(text) => return self.end(Err(text)),
        };
        let (begins, ends) = (matches!(joint, Joint::Enter(_)), joint == Joint::Leave);
        match session.act(joint, &self.programs, &self.interrupt) {
            Ok(answer) => {
                for reply in session.steps.finish(&answer) {
                    reply.send(Ok(answer.clone()));
                }
                let name = session.name.clone();
                if ends { self.end(Ok(())) } else { begins.then_some(News::Began(name)) }
            }
            Err(error) => self.end(Err(format!("{error:#}"))),
        }
    }

    /// Ends the session and its server, and tells those who wait why.
    fn end(&mut self, why: Result<(), String>) -> Option<News> {
        let mut session = self.session.take()?;
        let text = why.clone().err().unwrap_or_else(|| "the session is over".to_owned());
        for reply in session.steps.drain() {
            reply.send(Err(text.clone()));
        }
        self.over = Some((session.name, why.clone()));
        Some(News::Ended(why))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::net::SocketAddr;
    use std::rc::Rc;

    use super::*;
    use crate::measure::environment::boot_id;

    #[derive(Clone, Default)]
    struct Heard(Rc<RefCell<Vec<Outcome>>>);

    impl Reply for Heard {
        fn send(self, outcome: Outcome) {
            self.0.borrow_mut().push(outcome);
        }
    }

    impl Heard {
        fn error(&self) -> String {
            self.0.borrow_mut().pop().unwrap().unwrap_err()
        }

        fn session(&self) -> String {
            match self.0.borrow_mut().pop() {
                Some(Ok(Answer::Entered(entered))) => entered.session,
                other => panic!("{other:?}"),
            }
        }
    }

    const A: Machine = Machine { number: 1, of: 2 };
    const B: Machine = Machine { number: 2, of: 2 };

    fn desk() -> Desk<Heard> {
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        Desk::new(Programs { server_bin: None, listen }, Interrupt::listen().unwrap())
    }

    fn enter() -> Ask {
        Ask::Step(0, Step::Enter { protocol: PROTOCOL, boot_id: boot_id() })
    }

    fn ask(
        desk: &mut Desk<Heard>,
        machine: Machine,
        session: Option<&str>,
        ask: Ask,
        heard: &Heard,
    ) -> Option<News> {
        let session = session.map(str::to_owned);
        desk.take(Request { machine, session, ask }, heard.clone(), Instant::now())
    }

    /// A desk with a session that both have entered.
    fn entered() -> (Desk<Heard>, String) {
        let (mut desk, heard) = (desk(), Heard::default());
        assert_eq!(ask(&mut desk, A, None, enter(), &heard), None);
        assert!(heard.0.borrow().is_empty());
        let news = ask(&mut desk, B, None, enter(), &heard);
        let session = heard.session();
        assert_eq!((news, heard.session()), (Some(News::Began(session.clone())), session.clone()));
        (desk, session)
    }

    #[test]
    fn a_session_begins_when_all_have_come_and_ends_when_all_leave() {
        let (mut desk, session) = entered();
        let (early, late) = (Heard::default(), Heard::default());
        ask(&mut desk, A, Some(&session), Ask::Step(1, Step::Leave), &early);
        let news = ask(&mut desk, B, Some(&session), Ask::Step(1, Step::Leave), &early);
        assert_eq!(news, Some(News::Ended(Ok(()))));
        assert_eq!(*early.0.borrow(), [Ok(Answer::Done), Ok(Answer::Done)]);
        // It was told to ask again, and the session is over by now.
        ask(&mut desk, A, Some(&session), Ask::Step(1, Step::Leave), &late);
        assert_eq!(*late.0.borrow(), [Ok(Answer::Done)]);
        ask(&mut desk, A, Some(&session), Ask::Sample, &late);
        assert!(late.error().contains("no such session"));
    }

    #[test]
    fn one_that_quits_ends_it_for_all_with_its_reason() {
        let (mut desk, session) = entered();
        let (one, two) = (Heard::default(), Heard::default());
        ask(&mut desk, A, Some(&session), Ask::Step(1, Step::Leave), &one);
        let news = ask(&mut desk, B, Some(&session), Ask::Quit("no port left".to_owned()), &two);
        let why = "load machine 2/2 has ended: no port left".to_owned();
        assert_eq!(news, Some(News::Ended(Err(why.clone()))));
        assert_eq!(one.error(), why);
        ask(&mut desk, A, Some(&session), Ask::Step(1, Step::Leave), &one);
        assert_eq!(one.error(), why);
        // Another session can begin.
        assert_eq!(ask(&mut desk, A, None, enter(), &one), None);
    }

    #[test]
    fn strangers_are_turned_away() {
        let (mut desk, _) = entered();
        let heard = Heard::default();
        ask(&mut desk, A, None, enter(), &heard);
        assert!(heard.error().contains("busy"));
        ask(&mut desk, A, Some("yesterday"), Ask::Sample, &heard);
        assert!(heard.error().contains("no such session"));
        let old = Ask::Step(0, Step::Enter { protocol: 0, boot_id: String::new() });
        ask(&mut desk, A, None, old, &heard);
        assert!(heard.error().contains("version"));
    }

    #[test]
    fn silence_ends_a_session() {
        let (mut desk, session) = entered();
        let start = Instant::now();
        assert_eq!(desk.look(start + SILENCE / 2), None);
        let sample = Request { machine: A, session: Some(session), ask: Ask::Sample };
        desk.take(sample, Heard::default(), start + SILENCE / 2);
        let Some(News::Ended(Err(why))) = desk.look(start + SILENCE + LITTLE) else { panic!("it goes on") };
        assert!(why.contains("load machine 2"), "{why}");
    }

    const LITTLE: Duration = Duration::from_secs(1);

    #[test]
    fn a_step_that_fails_is_the_end() {
        let (mut desk, session) = entered();
        let heard = Heard::default();
        ask(&mut desk, A, Some(&session), Ask::Step(1, Step::Stop), &heard);
        let news = ask(&mut desk, B, Some(&session), Ask::Step(1, Step::Stop), &heard);
        assert_eq!(news, Some(News::Ended(Err("no server runs".to_owned()))));
        assert_eq!(
            (heard.error(), heard.error()),
            ("no server runs".to_owned(), "no server runs".to_owned())
        );
    }
}
