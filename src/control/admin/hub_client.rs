//! Asks the hub's workers, and waits for their answers.
//!
//! A worker answers on its own thread: it puts the answer into a channel of the question and uses a [`LoopWaker`], which means the same in
//! each descriptor table. It cannot wake the runtime itself: that would write to a descriptor which is a client's in the worker's own table.

use std::convert::Infallible;
use std::io;
use std::os::fd::AsFd;
use std::pin::pin;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use throng::hub::questions::ListTopics;
use throng::hub::{AnswerSender, PublishBatch, PublishError, Published, Publisher, Question, TopicInfo};
use throng::sys::watch;
use throng::{LoopWaker, Message, PreparedMessage};
use tokio::sync::{Notify, Semaphore};
use tokio::time::{timeout, timeout_at};

use super::problem::Problem;

/// Lists of topics that are being made, or wait for it, at a time.
const MAX_LISTS: usize = 8;

/// The admin port's access to the hub.
pub(super) struct HubClient {
    publisher: Publisher,
    waker: LoopWaker,
    /// Notified when workers have answered.
    answered: Notify,
    /// Held by the list that is being made. Each list makes every worker look at all its topics, so only one is made at a time.
    listing: Semaphore,
    /// Held by the lists that wait as well. Their number is bounded, so that they do not use up the turns of other requests.
    lists: Semaphore,
    limits: AdminLimits,
}

/// What the admin port allows its clients.
#[derive(Debug, Clone, Copy)]
pub(super) struct AdminLimits {
    /// The most bytes of a message.
    pub(super) max_message: usize,
    /// The most bytes of a request's body.
    pub(super) max_body: usize,
    /// The time for workers to answer.
    pub(super) answer_timeout: Duration,
}

/// A question that workers have taken. Dropping it cancels the wait.
#[derive(Debug)]
pub(super) struct Pending<'a, A> {
    answered: &'a Notify,
    answers: Receiver<Result<A, PublishError>>,
    /// How many answers come.
    expected: usize,
    /// Counts from the question, so that of questions asked together none gets more time for the wait for another.
    deadline: Instant,
}

impl HubClient {
    /// A client of the hub that `publisher` belongs to. [`deliver`](Self::deliver) must run for its questions to be answered.
    pub(super) fn new(publisher: Publisher, waker: LoopWaker, limits: AdminLimits) -> Self {
        let (listing, lists) = (Semaphore::new(1), Semaphore::new(MAX_LISTS));
        Self { publisher, waker, answered: Notify::new(), listing, lists, limits }
    }

    /// The limits of requests.
    pub(super) const fn limits(&self) -> &AdminLimits {
        &self.limits
    }

    /// Asks something of workers, at once.
    pub(super) fn ask<Q: Question>(&self, question: Q) -> Result<Pending<'_, Q::Answer>, PublishError> {
        self.pending(|answers| self.publisher.ask(question, answers))
    }

    /// Publishes a message, at once.
    pub(super) fn publish(
        &self,
        topic: &str,
        message: Message<'_>,
    ) -> Result<Pending<'_, Published>, Problem> {
        self.check(message.as_bytes().len())?;
        let publish = |answers| self.publisher.publish_with_reply(topic, message, AnswerSender::new(answers));
        Ok(self.pending(|answers| publish(answers).map(|()| 1))?)
    }

    /// Begins to publish several messages, which leave when what is returned is dropped.
    pub(super) fn batch(&self) -> PublishBatch {
        self.publisher.batch()
    }

    /// Publishes a message together with others.
    pub(super) fn publish_with(
        &self,
        batch: &mut PublishBatch,
        topic: &str,
        message: &PreparedMessage,
    ) -> Result<Pending<'_, Published>, Problem> {
        self.check(message.payload().len())?;
        let mut publish = |answers| batch.publish_prepared(topic, message, Some(AnswerSender::new(answers)));
        Ok(self.pending(|answers| publish(answers).map(|()| 1))?)
    }

    /// Sends a message to all clients, at once. Each worker answers with the number of its connections.
    pub(super) fn broadcast(&self, message: Message<'_>) -> Result<Pending<'_, u64>, Problem> {
        self.check(message.as_bytes().len())?;
        Ok(self.pending(|answers| self.publisher.broadcast(message, answers))?)
    }

    /// The first topics of each worker, once no other list is being made.
    pub(super) async fn list(&self, question: ListTopics) -> Result<Vec<Vec<TopicInfo>>, Problem> {
        let too_many = || Problem::too_many_lists(MAX_LISTS);
        let _waiting = self.lists.try_acquire().map_err(|_| too_many())?;
        // The semaphore is never closed.
        let Ok(_turn) = timeout(self.limits.answer_timeout, self.listing.acquire()).await else {
            return Err(too_many());
        };
        self.ask(question)?.all().await
    }

    /// Hears of the workers' answers, for as long as it is polled.
    pub(super) async fn deliver(&self) -> io::Result<Infallible> {
        let watched = watch::for_reading(self.waker.as_fd())?;
        loop {
            watched.readable().await?.clear_ready();
            self.waker.acknowledge();
            self.answered.notify_waiters();
        }
    }

    fn check(&self, len: usize) -> Result<(), Problem> {
        let most = self.limits.max_message;
        if len <= most {
            return Ok(());
        }
        Err(Problem::too_large(format!("a message of {len} bytes is more than max-message, {most}")))
    }

    /// What waits for the answers to what `ask` asks, which returns how many come.
    fn pending<A: Send + 'static, S>(&self, ask: S) -> Result<Pending<'_, A>, PublishError>
    where
        S: FnOnce(Box<dyn Fn(Result<A, PublishError>) + Send + Sync>) -> Result<usize, PublishError>,
    {
        let (sender, answers) = channel();
        let waker = self.waker.clone();
        let expected = ask(Box::new(move |answer| {
            // A client that has given up hears nothing.
            if sender.send(answer).is_ok() {
                waker.wake();
            }
        }))?;
        let deadline = Instant::now() + self.limits.answer_timeout;
        Ok(Pending { answered: &self.answered, answers, expected, deadline })
    }
}

impl<A> Pending<'_, A> {
    /// The answer of each worker that was asked, or the reason why a worker gave none.
    pub(super) async fn each(self) -> Result<Vec<Result<A, PublishError>>, Problem> {
        let mut outcomes = Vec::with_capacity(self.expected);
        loop {
            let mut answered = pin!(self.answered.notified());
            answered.as_mut().enable();
            outcomes.extend(self.answers.try_iter());
            if outcomes.len() >= self.expected {
                return Ok(outcomes);
            }
            if timeout_at(self.deadline.into(), answered).await.is_err() {
                return Err(Problem::unanswered());
            }
        }
    }

    /// The answers of all workers that were asked.
    pub(super) async fn all(self) -> Result<Vec<A>, Problem> {
        let answers: Result<Vec<A>, PublishError> = self.each().await?.into_iter().collect();
        Ok(answers?)
    }

    /// The answer of the only worker that was asked.
    pub(super) async fn only(self) -> Result<A, Problem> {
        self.all().await?.pop().ok_or_else(Problem::unanswered)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use throng::hub::questions::DescribeTopic;
    use throng::hub::{Hub, HubConfig, HubView};
    use throng::{Pinning, Server};

    use super::*;

    const LIMITS: AdminLimits =
        AdminLimits { max_message: 8, max_body: 64, answer_timeout: Duration::from_secs(20) };

    fn hub() -> (Server, Hub) {
        let hub = Hub::new(HubConfig::default());
        let builder =
            Server::builder().listen("127.0.0.1:0".parse().unwrap()).workers(2).pinning(Pinning::Off);
        (builder.start(hub.handler()).unwrap(), hub)
    }

    fn run<T>(what: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(what)
    }

    /// A question of the test's own.
    #[derive(Clone)]
    struct HowManyAreOpen;

    impl Question for HowManyAreOpen {
        type Answer = u64;

        fn answer(self, worker: &mut HubView<'_, '_>, reply: AnswerSender<u64>) {
            reply.give(worker.open());
        }
    }

    #[test]
    fn every_worker_that_is_asked_answers() {
        let (server, hub) = hub();
        let client = HubClient::new(hub.publisher(), server.loop_waker(), LIMITS);
        let asking = async {
            for number in 1..=100 {
                let place = client.publish("a", Message::Text("8 bytes.")).unwrap().only().await.unwrap();
                // Nobody subscribes, and nothing is kept, so that the topic is a new one each time.
                assert_eq!(place.offset, 1, "{number}");
            }
            assert_eq!(client.broadcast(Message::Text("8 bytes.")).unwrap().all().await, Ok(vec![0, 0]));
            assert_eq!(client.ask(DescribeTopic("a".into())).unwrap().only().await, Ok(None));
            assert_eq!(client.ask(HowManyAreOpen).unwrap().all().await, Ok(vec![0, 0]));
        };
        run(async {
            tokio::select! {
                failed = client.deliver() => panic!("{failed:?}"),
                () = asking => {}
            }
        });
    }

    #[test]
    fn what_is_not_answered_in_time_is_given_up() {
        /// A question whose reply is kept, so that no answer comes.
        #[derive(Clone)]
        struct Kept(Arc<std::sync::Mutex<Vec<AnswerSender<()>>>>);

        impl Question for Kept {
            type Answer = ();

            fn answer(self, _: &mut HubView<'_, '_>, reply: AnswerSender<()>) {
                self.0.lock().unwrap().push(reply);
            }
        }

        let (server, hub) = hub();
        let limits = AdminLimits { answer_timeout: Duration::from_millis(100), ..LIMITS };
        let client = HubClient::new(hub.publisher(), server.loop_waker(), limits);
        let kept = Kept(Arc::default());
        let asked = client.ask(kept.clone()).unwrap();
        run(async {
            tokio::select! {
                failed = client.deliver() => panic!("{failed:?}"),
                given_up = asked.all() => assert_eq!(given_up, Err(Problem::unanswered())),
            }
        });
        // Answers that come too late go nowhere.
        kept.0.lock().unwrap().drain(..).for_each(|reply| reply.give(()));
    }

    /// Each of those that wait has a turn that others could have.
    #[test]
    fn few_wait_for_a_list_and_no_longer_than_for_an_answer() {
        let (server, hub) = hub();
        let limits = AdminLimits { answer_timeout: Duration::from_secs(1), ..LIMITS };
        // Nobody hears of the answers.
        let client = Arc::new(HubClient::new(hub.publisher(), server.loop_waker(), limits));
        run(async {
            // The first one is being made.
            let _made = client.listing.acquire().await.unwrap();
            let lists = (0..=MAX_LISTS).map(|_| {
                let client = Arc::clone(&client);
                let question = ListTopics { prefix: String::new(), limit: 1 };
                tokio::spawn(async move { client.list(question).await })
            });
            let (mut outcomes, start) = (Vec::new(), Instant::now());
            for list in lists.collect::<Vec<_>>() {
                outcomes.push(list.await.unwrap());
            }
            // All of them one after the other would take eight times as long.
            assert!(start.elapsed() < 5 * limits.answer_timeout, "{:?}", start.elapsed());
            assert!(outcomes.iter().all(|outcome| *outcome == Err(Problem::too_many_lists(MAX_LISTS))));
        });
    }

    #[test]
    fn what_is_not_taken_is_refused_at_once() {
        let (server, _hub) = hub();
        let client = HubClient::new(Hub::new(HubConfig::default()).publisher(), server.loop_waker(), LIMITS);
        assert_eq!(client.ask(DescribeTopic("a".into())).err(), Some(PublishError::NotRunning));
        let (server, hub) = self::hub();
        let client = HubClient::new(hub.publisher(), server.loop_waker(), LIMITS);
        assert!(matches!(client.ask(DescribeTopic("#".into())), Err(PublishError::Name(_))));
        for asked in [
            client.publish("a", Message::Text("9 bytes..")).err(),
            client.broadcast(Message::Binary(&[0; 9])).err(),
        ] {
            let said = "a message of 9 bytes is more than max-message, 8";
            assert_eq!(asked, Some(Problem::too_large(said)));
        }
    }
}
