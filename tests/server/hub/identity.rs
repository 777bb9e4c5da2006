//! A handler around the hub's: the example of it, with clients.

use throng::hub::{Hub, HubConfig};
use throng::{Message, Pinning, Server};

use super::super::client::{Client, Got, eventually};

#[expect(dead_code, reason = "its main function is for the program")]
#[path = "../../../examples/identity.rs"]
mod example;

#[test]
fn a_handler_around_the_hubs_decides_who_may_listen_and_keeps_data_of_its_own() {
    let hub = Hub::new(HubConfig::default());
    let builder = Server::builder().pinning(Pinning::Off).workers(2).listen("127.0.0.1:0".parse().unwrap());
    let server = example::start(&hub, builder).unwrap();
    let address = server.addresses()[0];

    for (target, status, body) in [
        ("/topics/news", "401 Unauthorized", "{\"error\":\"bring a token\"}\n"),
        ("/topics/news?token=eve", "403 Forbidden", "{\"error\":\"nobody has this token\"}\n"),
    ] {
        let refusal = Client::ask(address, target, "").map(|_| ()).unwrap_err();
        let head = format!(
            "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        assert_eq!(refusal, head + body);
    }
    // What the hub refuses is refused.
    let refusal = Client::ask(address, "/nowhere?token=ada", "").map(|_| ()).unwrap_err();
    assert!(refusal.starts_with("HTTP/1.1 404 "), "{refusal}");

    let [mut ada, mut grace] = ["ada", "grace"]
        .map(|token| Client::ask(address, &format!("/topics/news?token={token}"), "").unwrap());
    for (client, answer) in [(&mut ada, "user 1"), (&mut grace, "user 2")] {
        client.say("who am I?");
        assert_eq!(client.get(), Got::Text(answer.into()));
    }
    eventually("both subscribe", || hub.stats().subscriptions == 2);
    hub.publisher().publish("news", Message::Text("hello")).unwrap();
    for client in [&mut ada, &mut grace] {
        assert_eq!(client.get(), Got::Text("hello".into()));
    }
    drop(ada);
    eventually("the hub hears of the end", || hub.stats().subscriptions == 1);
    grace.say("anything else is the hub's");
    assert_eq!(grace.get(), Got::Close(1008));
    let stats = server.stats();
    assert_eq!((stats.opened, stats.decisions_pending, stats.refused_requests), (2, 0, 3));
}
