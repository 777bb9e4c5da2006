//! Authentication: a handler that wraps the hub's. It asks a directory about each client's token, decides on the request when the directory
//! has answered, and keeps the user's number with the connection.
//! `cargo run --release --features hub --example identity [ADDRESS]`, then open `ws://ADDRESS/topics/news?token=ada`.

use std::error::Error;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use throng::http::{Response, Status};
use throng::hub::{Hub, HubConfig, HubHandler};
use throng::{
    Builder, Closed, Conn, ConnId, Connecting, Connections, Context, Decision, Handler, Message, Server,
    StartError, Turn, Verdict,
};

/// The number of a user.
#[derive(Clone, Copy)]
struct User(u32);

/// The directory's answer to a token: its user, or why there is none.
type Answer = Result<User, &'static str>;

/// A question to the directory, with the decision that waits for the answer.
struct Question {
    token: String,
    decision: Decision<Answer>,
}

/// The data of a connection: the hub's data, and the user's number.
struct Member {
    hub: <HubHandler as Handler>::Data,
    user: User,
}

impl Member {
    const fn hub(&mut self) -> &mut <HubHandler as Handler>::Data {
        &mut self.hub
    }
}

/// The hub's handler, for clients with a valid token.
struct Guarded {
    hub: HubHandler,
    directory: Sender<Question>,
}

/// A refusal whose body is JSON.
fn refuse<D>(status: Status, why: &str) -> Verdict<D> {
    Verdict::Refuse(Response::new(status).body("application/json", format!("{{\"error\":\"{why}\"}}\n")))
}

impl Handler for Guarded {
    type Data = Member;

    const ENVELOPES: bool = HubHandler::ENVELOPES;

    fn upgrade(&mut self, connecting: &mut Connecting<'_>) -> Verdict<Member> {
        match connecting.take_resolved::<Answer>() {
            Some(Ok(user)) => self.hub.upgrade(connecting).map(|hub| Member { hub, user }),
            Some(Err(why)) => refuse(Status::FORBIDDEN, why),
            None => {
                let request = connecting.request();
                let Some((_, token)) = request.query_pairs().find(|(name, _)| name == "token") else {
                    return refuse(Status::UNAUTHORIZED, "bring a token");
                };
                let token = token.into_owned();
                // If the directory has ended, the question is dropped with its decision, and the client gets 503.
                connecting.later(|decision| drop(self.directory.send(Question { token, decision })))
            }
        }
    }

    fn open(&mut self, conn: &mut Conn<'_, Member>, request: &throng::http::Request<'_>) {
        self.hub.open(&mut conn.map(Member::hub), request);
    }

    fn message(&mut self, conn: &mut Conn<'_, Member>, message: Message<'_>) {
        if message == Message::Text("who am I?") {
            let User(number) = conn.data().user;
            // If the outbox is full, this answer is dropped.
            let _ = conn.send(Message::Text(&format!("user {number}")));
        } else {
            self.hub.message(&mut conn.map(Member::hub), message);
        }
    }

    fn going_away(&mut self, conn: &mut Conn<'_, Member>) {
        self.hub.going_away(&mut conn.map(Member::hub));
    }

    fn close(&mut self, id: ConnId, member: Member, reason: Closed<'_>) {
        self.hub.close(id, member.hub, reason);
    }

    fn turn(&mut self, connections: &mut Connections<'_, Member>) -> Turn {
        connections.map(Member::hub, |connections| self.hub.turn(connections))
    }
}

/// Answers questions one after the other. A real program would ask a database.
fn answer(questions: &Receiver<Question>) {
    for Question { token, decision } in questions {
        decision.resolve(match token.as_str() {
            "ada" => Ok(User(1)),
            "grace" => Ok(User(2)),
            _ => Err("nobody has this token"),
        });
    }
}

/// Starts a server of the hub's topics, for users that the directory knows.
pub(crate) fn start(hub: &Hub, server: Builder) -> Result<Server, StartError> {
    let (directory, questions) = channel();
    thread::spawn(move || answer(&questions));
    let make_hub = hub.handler();
    let guarded =
        move |context: &Context<'_>| Guarded { hub: make_hub(context), directory: directory.clone() };
    server.start(guarded)
}

fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9001".into());
    let hub = Hub::new(HubConfig::default());
    let server = start(&hub, Server::builder().listen(address.parse()?))?;
    println!("topics for those who are known, on {:?}", server.addresses());
    server.join()?;
    Ok(())
}
