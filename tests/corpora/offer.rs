//! The negotiation of permessage-deflate (RFC 7692, section 7.1), read by simpler means than throng does.

/// An offer of permessage-deflate that breaks no rule, or an answer to one (RFC 7692, section 7.1).
#[derive(Debug, Default)]
pub(crate) struct Offer {
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
    server_max_window_bits: Option<u8>,
    /// 15 for one without a value.
    client_max_window_bits: Option<u8>,
}

impl Offer {
    /// `None` for what must be declined.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim_ascii);
        if parts.next() != Some("permessage-deflate") {
            return None;
        }
        let (mut offer, mut seen) = (Self::default(), Vec::new());
        for part in parts {
            let (name, value) = part.split_once('=').map_or((part, None), |(name, value)| {
                (name.trim_ascii(), Some(unquoted(value.trim_ascii())))
            });
            let bits = value.as_ref().map(|value| (8..=15).find(|bits| bits.to_string() == *value));
            match (name, bits) {
                ("server_no_context_takeover", None) => offer.server_no_context_takeover = true,
                ("client_no_context_takeover", None) => offer.client_no_context_takeover = true,
                ("server_max_window_bits", Some(Some(bits))) => offer.server_max_window_bits = Some(bits),
                ("client_max_window_bits", None) => offer.client_max_window_bits = Some(15),
                ("client_max_window_bits", Some(Some(bits))) => offer.client_max_window_bits = Some(bits),
                _ => return None,
            }
            if seen.contains(&name) {
                return None;
            }
            seen.push(name);
        }
        Some(offer)
    }

    /// Whether this is a legal answer to `offer`.
    pub(crate) fn answers(&self, offer: &Self) -> bool {
        let within = |answered: Option<u8>, most: u8| answered.is_none_or(|bits| bits <= most);
        let server_window = match offer.server_max_window_bits {
            Some(most) => self.server_max_window_bits.is_some() && within(self.server_max_window_bits, most),
            None => true,
        };
        let client_window = match offer.client_max_window_bits {
            Some(most) => within(self.client_max_window_bits, most),
            None => self.client_max_window_bits.is_none(),
        };
        let takeover = self.server_no_context_takeover || !offer.server_no_context_takeover;
        server_window && client_window && takeover
    }
}

/// Whether what a response turns on is a legal answer to what was offered.
pub(crate) fn is_answer(extensions: &[String], offered: Option<&str>) -> bool {
    let ([answer], Some(offered)) = (extensions, offered) else { return false };
    // An answer that names the client's window says how large it is (section 7.1.2.2).
    let names_no_size = |part: &str| part.trim_ascii() == "client_max_window_bits";
    let (answered, offered) = (Offer::parse(answer), Offer::parse(offered));
    answered.zip(offered).is_some_and(|(answer, offer)| answer.answers(&offer))
        && !answer.split(';').any(names_no_size)
}

/// The members of a list in which no comma is quoted.
pub(crate) fn members(list: &[u8]) -> Vec<String> {
    let list = String::from_utf8_lossy(list);
    list.split(',').map(|member| member.trim_ascii().to_owned()).filter(|member| !member.is_empty()).collect()
}

/// A token, or what stands between two quotes without the backslashes.
fn unquoted(value: &str) -> String {
    let Some(quoted) = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')) else {
        return value.to_owned();
    };
    let mut is_escaped = false;
    let kept = quoted.chars().filter(|char| {
        is_escaped = *char == '\\' && !is_escaped;
        !is_escaped
    });
    kept.collect()
}
