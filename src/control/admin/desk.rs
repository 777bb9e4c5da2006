//! Questions to the hub's workers. Their answers come from their threads: by memory, and with a ring of a bell that means the same in
//! each descriptor table. A worker that woke the runtime itself would write to a descriptor of its own table that is a client's.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::os::fd::AsFd;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use throng::hub::{Answer, Burst, PublishError, Publisher, Question, Reply};
use throng::sys::watch;
use throng::{Bell, Message, PreparedMessage};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{timeout, timeout_at};

use super::problem::Problem;

/// Lists of topics that are being made, or wait for it, at a time.
const MAX_LISTS: usize = 8;

/// Takes questions.
pub(super) struct Desk {
    publisher: Publisher,
    /// The workers' end of the answers.
    to: Sender<(u64, Answer)>,
    ring: Arc<dyn Fn() + Send + Sync>,
    /// Locked for moments, on the control thread alone.
    waiting: Mutex<Waiting>,
    /// One list at a time: each makes every worker look at all its topics, and keeps as many of each.
    listing: Semaphore,
    /// Few wait for that, so that they do not take up the turns of others.
    lists: Semaphore,
    limits: Limits,
}

/// What a desk allows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Most bytes of a message.
    pub(super) max_message: usize,
    /// Most bytes of a request's body.
    pub(super) max_body: usize,
    /// How long answers are waited for.
    pub(super) patience: Duration,
}

/// Those who wait for answers, by the tokens of their questions.
#[derive(Default)]
struct Waiting {
    last: u64,
    open: HashMap<u64, Open>,
}

struct Open {
    /// How many answers are to come.
    missing: usize,
    got: Vec<Answer>,
    done: oneshot::Sender<Vec<Answer>>,
}

/// Where the answers come in.
pub(super) struct Answers {
    from: Receiver<(u64, Answer)>,
    bell: Bell,
}

/// A question that has been taken.
pub(super) struct Asked<'a> {
    desk: &'a Desk,
    token: u64,
    done: oneshot::Receiver<Vec<Answer>>,
    /// When it is given up: of questions that were asked together, waiting for one does not give the next one longer.
    until: Instant,
}

impl Desk {
    /// A desk, and what must run for its questions to be answered.
    pub(super) fn new(publisher: Publisher, bell: Bell, limits: Limits) -> (Arc<Self>, Answers) {
        let (to, from) = channel();
        let ringing = bell.clone();
        let ring = Arc::new(move || ringing.ring());
        let (listing, lists) = (Semaphore::new(1), Semaphore::new(MAX_LISTS));
        let desk = Self { publisher, to, ring, waiting: Mutex::default(), listing, lists, limits };
        (Arc::new(desk), Answers { from, bell })
    }

    /// Publishes, at once.
    pub(super) fn publish(&self, topic: &str, message: Message<'_>) -> Result<Asked<'_>, Problem> {
        self.check(message.as_bytes().len())?;
        Ok(self.ask(Question::Publish { topic, message })?)
    }

    /// How long answers are waited for.
    pub(super) const fn patience(&self) -> Duration {
        self.limits.patience
    }

    /// Most bytes of a message.
    pub(super) const fn max_message(&self) -> usize {
        self.limits.max_message
    }

    /// Publishes several messages, which leave when the burst is dropped.
    pub(super) fn burst(&self) -> Burst {
        self.publisher.burst()
    }

    /// Publishes with others.
    pub(super) fn publish_with(
        &self,
        burst: &mut Burst,
        topic: &str,
        message: &PreparedMessage,
    ) -> Result<Asked<'_>, Problem> {
        self.check(message.payload().len())?;
        Ok(self.ask_by(|reply| burst.publish_prepared(topic, message, Some(reply)).map(|()| 1))?)
    }

    /// Sends to everybody, at once.
    pub(super) fn broadcast(&self, message: Message<'_>) -> Result<Asked<'_>, Problem> {
        self.check(message.as_bytes().len())?;
        Ok(self.ask(Question::Broadcast(message))?)
    }

    /// Most bytes of a request's body.
    pub(super) const fn max_body(&self) -> usize {
        self.limits.max_body
    }

    /// The first topics of each worker, once no other list is being made.
    pub(super) async fn list(&self, prefix: &str, limit: usize) -> Result<Vec<Answer>, Problem> {
        let _place = self.lists.try_acquire().map_err(|_| Problem::too_many_lists(MAX_LISTS))?;
        // It is never closed.
        let Ok(_turn) = timeout(self.limits.patience, self.listing.acquire()).await else {
            return Err(Problem::too_many_lists(MAX_LISTS));
        };
        self.ask(Question::Topics { prefix, limit })?.answers().await
    }

    fn check(&self, len: usize) -> Result<(), Problem> {
        let most = self.limits.max_message;
        if len <= most {
            return Ok(());
        }
        Err(Problem::too_large(format!("a message of {len} bytes is more than max-message, {most}")))
    }

    /// Passes a question on, at once.
    pub(super) fn ask(&self, question: Question<'_>) -> Result<Asked<'_>, PublishError> {
        self.ask_by(|reply| self.publisher.ask(question, reply))
    }

    /// Asks something in a way that returns how many answers will come.
    fn ask_by(
        &self,
        ask: impl FnOnce(Reply) -> Result<usize, PublishError>,
    ) -> Result<Asked<'_>, PublishError> {
        let token = {
            let mut waiting = self.lock();
            waiting.last += 1;
            waiting.last
        };
        let reply = Reply::new(self.to.clone(), token, Some(Arc::clone(&self.ring)));
        let missing = ask(reply)?;
        let (done, answered) = oneshot::channel();
        // Answers are taken in by this thread, so that none has been missed.
        self.lock().open.insert(token, Open { missing, got: Vec::with_capacity(missing), done });
        let until = Instant::now() + self.limits.patience;
        Ok(Asked { desk: self, token, done: answered, until })
    }

    fn take(&self, token: u64, answer: Answer) {
        let mut waiting = self.lock();
        // Whoever asked may have given up.
        let Some(open) = waiting.open.get_mut(&token) else { return };
        open.got.push(answer);
        if open.got.len() >= open.missing
            && let Some(open) = waiting.open.remove(&token)
        {
            let _ = open.done.send(open.got);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Asked<'_> {
    /// All answers, one a worker that was asked.
    pub(super) async fn answers(mut self) -> Result<Vec<Answer>, Problem> {
        match timeout_at(self.until.into(), &mut self.done).await {
            Ok(Ok(answers)) => Ok(answers),
            Ok(Err(_)) | Err(_) => Err(Problem::unanswered()),
        }
    }

    /// The answer of the only one that was asked.
    pub(super) async fn answer(self) -> Result<Answer, Problem> {
        self.answers().await?.pop().ok_or_else(Problem::unanswered)
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        self.desk.lock().open.remove(&self.token);
    }
}

impl Answers {
    /// Hands answers to those who wait for them.
    pub(super) async fn deliver(self, desk: &Desk) -> io::Result<Infallible> {
        let watched = watch::for_reading(self.bell.as_fd())?;
        loop {
            watched.readable().await?.clear_ready();
            self.bell.acknowledge();
            while let Ok((token, answer)) = self.from.try_recv() {
                desk.take(token, answer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use throng::hub::{Hub, HubConfig};
    use throng::{Pinning, Server};

    use super::*;

    const LIMITS: Limits = Limits { max_message: 8, max_body: 64, patience: Duration::from_secs(20) };

    fn hub() -> (Server, Hub) {
        let hub = Hub::new(HubConfig::default());
        let builder =
            Server::builder().listen("127.0.0.1:0".parse().unwrap()).workers(2).pinning(Pinning::Off);
        (builder.start(hub.handler()).unwrap(), hub)
    }

    fn run<T>(what: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(what)
    }

    fn open(desk: &Desk) -> usize {
        desk.lock().open.len()
    }

    #[test]
    fn every_worker_that_is_asked_answers() {
        let (server, hub) = hub();
        let (desk, answers) = Desk::new(hub.publisher(), server.bell(), LIMITS);
        run(async {
            let asking = async {
                for offset in 1..=100 {
                    let asked = desk.publish("a", Message::Text("8 bytes.")).unwrap();
                    // Nobody subscribes, and nothing is kept, so that the topic is a new one each time.
                    let answer = asked.answer().await.unwrap();
                    assert!(matches!(answer, Answer::Published(place) if place.offset == 1), "{offset}");
                }
                desk.broadcast(Message::Text("8 bytes.")).unwrap().answers().await.unwrap()
            };
            tokio::select! {
                failed = answers.deliver(&desk) => panic!("{failed:?}"),
                all = asking => assert_eq!(all, [0, 0].map(|connections| Answer::Broadcast { connections })),
            }
        });
        assert_eq!(open(&desk), 0);
    }

    #[test]
    fn what_is_not_answered_in_time_is_given_up() {
        let (server, hub) = hub();
        // Nobody hands the answers on.
        let limits = Limits { patience: Duration::from_millis(20), ..LIMITS };
        let (desk, _answers) = Desk::new(hub.publisher(), server.bell(), limits);
        let asked = desk.ask(Question::Topic("a")).unwrap();
        assert_eq!(open(&desk), 1);
        assert_eq!(run(asked.answer()), Err(Problem::unanswered()));
        assert_eq!(open(&desk), 0);
    }

    /// Each of those that wait has a turn that others could have.
    #[test]
    fn few_wait_for_a_list_and_no_longer_than_for_an_answer() {
        let (server, hub) = hub();
        let limits = Limits { patience: Duration::from_secs(1), ..LIMITS };
        let (desk, _answers) = Desk::new(hub.publisher(), server.bell(), limits);
        run(async {
            let lists = (0..=MAX_LISTS).map(|_| {
                let desk = Arc::clone(&desk);
                tokio::spawn(async move { desk.list("", 1).await })
            });
            let (mut outcomes, start) = (Vec::new(), Instant::now());
            for list in lists.collect::<Vec<_>>() {
                outcomes.push(list.await.unwrap());
            }
            // One waits for its turn, and then for the answer. All of them one after the other would take eight.
            assert!(start.elapsed() < 5 * limits.patience, "{:?}", start.elapsed());
            let [first, .., last] = &outcomes[..] else { panic!("{outcomes:?}") };
            assert_eq!(
                (first, last),
                (&Err(Problem::unanswered()), &Err(Problem::too_many_lists(MAX_LISTS)))
            );
        });
    }

    #[test]
    fn what_is_not_taken_leaves_nothing_behind() {
        let desk = Desk::new(Hub::new(HubConfig::default()).publisher(), hub().0.bell(), LIMITS).0;
        assert!(matches!(desk.ask(Question::Topic("a")), Err(PublishError::NotRunning)));
        assert!(matches!(desk.ask(Question::Topic("#")), Err(PublishError::Name(_))));
        for asked in [desk.publish("a", Message::Text("9 bytes..")), desk.broadcast(Message::Binary(&[0; 9]))]
        {
            let said = "a message of 9 bytes is more than max-message, 8";
            assert_eq!(asked.err(), Some(Problem::too_large(said)));
        }
        assert_eq!(open(&desk), 0);
    }
}
