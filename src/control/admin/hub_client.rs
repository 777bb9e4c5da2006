//! Questions to the hub's workers, and their answers.
//!
//! A worker answers on its own thread: it puts the answer into a channel of the question and uses a [`LoopWaker`], which means the same in
//! each descriptor table. It cannot wake the runtime itself: that would write to a descriptor which belongs to a client in the worker's
//! private table.

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

/// The most lists of topics that are made, or wait to be made, at a time.
const MAX_LISTS: usize = 8;

/// The admin port's access to the hub.
pub(super) struct HubClient {
    publisher: Publisher,
    waker: LoopWaker,
    /// Notified when workers have answered.
    answered: Notify,
    /// Held by the list that is being made. Each list visits all topics of every worker, so that only one is made at a time.
    listing: Semaphore,
    /// Held by all lists, including those that wait. Their number is bounded, so that they do not use up the permits of other requests.
    lists: Semaphore,
    limits: AdminLimits,
}

/// The limits of the admin port for its clients.
#[derive(Debug, Clone, Copy)]
pub(super) struct AdminLimits {
    /// The most bytes of a message.
    pub(super) max_message: usize,
    /// The most bytes of a request's body.
    pub(super) max_body: usize,
    /// The time within which workers must answer.
    pub(super) answer_timeout: Duration,
}

/// A question that was queued for workers. Dropping it cancels the wait.
#[derive(Debug)]
pub(super) struct Pending<'a, A> {
    answered: &'a Notify,
    answers: Receiver<Result<A, PublishError>>,
    /// The number of expected answers.
    expected: usize,
    /// Counts from the question, so that a question gets no more time by waiting for another that was asked with it.
    deadline: Instant,
}

impl HubClient {
    /// Makes a client of the hub that `publisher` belongs to. Questions are answered only while [`deliver`](Self::deliver) runs.
    pub(super) fn new(publisher: Publisher, waker: LoopWaker, limits: AdminLimits) -> Self {
        let (listing, lists) = (Semaphore::new(1), Semaphore::new(MAX_LISTS));
        Self { publisher, waker, answered: Notify::new(), listing, lists, limits }
    }

    /// Returns the limits of requests.
    pub(super) const fn limits(&self) -> &AdminLimits {
        &self.limits
    }

    /// Queues a question for workers.
    pub(super) fn ask<Q: Question>(&self, question: Q) -> Result<Pending<'_, Q::Answer>, PublishError> {
        self.pending(|answers| self.publisher.ask(question, answers))
    }

    /// Queues a message to be published.
    pub(super) fn publish(
        &self,
        topic: &str,
        message: Message<'_>,
    ) -> Result<Pending<'_, Published>, Problem> {
        self.check(message.as_bytes().len())?;
        let publish = |answers| self.publisher.publish_with_reply(topic, message, AnswerSender::new(answers));
        Ok(self.pending(|answers| publish(answers).map(|()| 1))?)
    }

    /// Begins to publish several messages, which are sent when the batch is dropped.
    pub(super) fn batch(&self) -> PublishBatch {
        self.publisher.batch()
    }

    /// Adds a message to a batch.
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

    /// Queues a message for all clients. Each worker answers with the number of its connections.
    pub(super) fn broadcast(&self, message: Message<'_>) -> Result<Pending<'_, u64>, Problem> {
        self.check(message.as_bytes().len())?;
        Ok(self.pending(|answers| self.publisher.broadcast(message, answers))?)
    }

    /// Returns the first topics of each worker. Waits until no other list is being made.
    pub(super) async fn list(&self, question: ListTopics) -> Result<Vec<Vec<TopicInfo>>, Problem> {
        let too_many = || Problem::too_many_lists(MAX_LISTS);
        let _waiting = self.lists.try_acquire().map_err(|_| too_many())?;
        // The semaphore is never closed.
        let Ok(_turn) = timeout(self.limits.answer_timeout, self.listing.acquire()).await else {
            return Err(too_many());
        };
        self.ask(question)?.all().await
    }

    /// Passes the workers' answers on, for as long as it is polled.
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

    /// Calls `ask`, which asks a question and returns the number of expected answers. Returns the wait for those answers.
    fn pending<A: Send + 'static, S>(&self, ask: S) -> Result<Pending<'_, A>, PublishError>
    where
        S: FnOnce(Box<dyn Fn(Result<A, PublishError>) + Send + Sync>) -> Result<usize, PublishError>,
    {
        let (sender, answers) = channel();
        let waker = self.waker.clone();
        let expected = ask(Box::new(move |answer| {
            // The client may have given up.
            if sender.send(answer).is_ok() {
                waker.wake();
            }
        }))?;
        let deadline = Instant::now() + self.limits.answer_timeout;
        Ok(Pending { answered: &self.answered, answers, expected, deadline })
    }
}

impl<A> Pending<'_, A> {
    /// Waits for the answer of each worker that was asked, or for its error.
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

    /// Waits for the answers of all workers that were asked.
    pub(super) async fn all(self) -> Result<Vec<A>, Problem> {
        let answers: Result<Vec<A>, PublishError> = self.each().await?.into_iter().collect();
        Ok(answers?)
    }

    /// Waits for the answer of the only worker that was asked.
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

    /// A question of this test.
    #[derive(Clone)]
    struct HowManyAreOpen;

    impl Question for HowManyAreOpen {
        type Answer = u64;

        fn answer(self, worker: &mut HubView<'_, '_>, reply: AnswerSender<u64>) {
            reply.send(worker.open_connections());
        }
    }

    #[test]
    fn every_worker_that_is_asked_answers() {
        let (server, hub) = hub();
        let client = HubClient::new(hub.publisher(), server.loop_waker(), LIMITS);
        let asking = async {
            for number in 1..=100 {
                let place = client.publish("a", Message::Text("8 bytes.")).unwrap().only().await.unwrap();
                // Without subscribers and history, the topic is a new one each time.
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
        /// A question whose reply is kept, so that no answer is given.
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
        // Late answers are discarded.
        kept.0.lock().unwrap().drain(..).for_each(|reply| reply.send(()));
    }

    /// Each list that waits has a permit that other requests could use.
    #[test]
    fn few_wait_for_a_list_and_no_longer_than_for_an_answer() {
        let (server, hub) = hub();
        let limits = AdminLimits { answer_timeout: Duration::from_secs(1), ..LIMITS };
        // `deliver` does not run.
        let client = Arc::new(HubClient::new(hub.publisher(), server.loop_waker(), limits));
        run(async {
            // The first list is being made.
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
            // All of them one after another would take eight times as long.
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
