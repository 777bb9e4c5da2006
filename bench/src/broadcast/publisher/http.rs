//! Publishing to throng's admin port: `POST /publish/TOPIC`, and `POST /publish` for several messages at once (docs/HUB.md).

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use serde::Deserialize;
use serde_json::json;
use ureq::Agent;

use crate::measure::reasons::Reasons;

/// How long a request may take.
const ANSWER: Duration = Duration::from_secs(60);

/// A connection that is kept.
pub(crate) struct Http {
    agent: Agent,
    address: String,
}

/// What is answered about one message.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Answer {
    Refused { error: Refusal },
    Published { offset: u64 },
}

#[derive(Debug, Deserialize)]
struct Refusal {
    code: String,
}

#[derive(Debug, Deserialize)]
struct Answers {
    results: Vec<Answer>,
}

impl Http {
    pub(super) fn new(address: &str) -> Self {
        // A refusal is an answer like another.
        let config = Agent::config_builder().timeout_global(Some(ANSWER)).http_status_as_error(false);
        Self { agent: config.build().new_agent(), address: address.to_owned() }
    }

    pub(super) fn publish(
        &mut self,
        topic: &str,
        messages: &[String],
        refused: &mut Reasons,
    ) -> anyhow::Result<()> {
        let answers = if let [message] = messages {
            vec![read(&self.post(&format!("/publish/{topic}"), message)?)?]
        } else {
            let messages: Vec<_> =
                messages.iter().map(|message| json!({ "topic": topic, "data": message })).collect();
            let body = json!({ "messages": messages }).to_string();
            let answer = self.post("/publish", &body)?;
            match read(&answer) {
                Ok(Answers { results }) => results,
                // What is refused as a whole has one answer.
                Err(error) => match read(&answer) {
                    Ok(Answer::Refused { error: Refusal { code } }) => {
                        messages.iter().for_each(|_| refused.count(code.clone()));
                        return Ok(());
                    }
                    _ => return Err(error),
                },
            }
        };
        ensure!(
            answers.len() == messages.len(),
            "{} messages have {} answers",
            messages.len(),
            answers.len()
        );
        for answer in answers {
            match answer {
                Answer::Refused { error: Refusal { code } } => refused.count(code),
                Answer::Published { offset: 0 } => {
                    bail!("a message was given the offset 0: the first one is 1")
                }
                Answer::Published { .. } => {}
            }
        }
        Ok(())
    }

    fn post(&self, path: &str, body: &str) -> anyhow::Result<String> {
        let url = format!("{}{path}", self.address);
        let kind = if path == "/publish" { "application/json" } else { "text/plain; charset=utf-8" };
        let sent = self.agent.post(&url).header("content-type", kind).send(body);
        let answer = sent.and_then(|mut answer| answer.body_mut().read_to_string());
        answer.with_context(|| format!("cannot publish to {url}"))
    }
}

fn read<'a, T: Deserialize<'a>>(answer: &'a str) -> anyhow::Result<T> {
    serde_json::from_str(answer).with_context(|| format!("publishing was answered with `{answer}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_from_refusals() {
        let published = r#"{"topic":"news","offset":7,"epoch":"5f0c2ab4-1","subscribers":3}"#;
        assert!(matches!(read(published).unwrap(), Answer::Published { offset: 7 }));
        let refused = r#"{"topic":"c","error":{"code":"busy","message":"..."}}"#;
        assert!(matches!(read(refused).unwrap(), Answer::Refused { error } if error.code == "busy"));
        assert!(read::<Answer>("{}").is_err() && read::<Answer>("not found").is_err());
    }
}
