//! The report of a broadcast for people.

use std::fmt;

use super::compare::{FIGURES, RATIOS};
use super::report::{BroadcastReport, Comparison, Measurement, Summary};
use crate::engine::feed::Deaf;
use crate::measure::sampler::Memory;
use crate::report::text::reasons;
use crate::report::units::{mib, millis, number, thousands};

impl fmt::Display for BroadcastReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let discipline = self.rate.map_or_else(
            || "each batch when all have the one before".to_owned(),
            |rate| format!("{} planned a second", number(rate, if rate < 10.0 { 2 } else { 0 })),
        );
        writeln!(
            f,
            "broadcast {} subscribers of {} topics, messages of {} bytes, {} in flight, {discipline}, seed {}",
            thousands(self.connections),
            thousands(self.topics),
            thousands(self.size),
            thousands(self.in_flight),
            self.seed
        )?;
        self.rounds.iter().try_for_each(|round| write!(f, "\n{round}"))?;
        self.servers.iter().try_for_each(|server| write!(f, "\n{server}"))?;
        if !self.comparisons.is_empty() {
            writeln!(f)?;
        }
        self.comparisons.iter().try_for_each(|comparison| write!(f, "{comparison}"))
    }
}

impl fmt::Display for Measurement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let workers = self.workers.map_or_else(String::new, |workers| format!(", {workers} workers"));
        let tables = if self.private_tables == Some(true) { " with private tables" } else { "" };
        writeln!(
            f,
            "round     {}: {}{workers}{tables}, {} opened in {} s, {} of them deaf",
            self.round,
            self.server,
            thousands(self.opened),
            number(self.ramp_seconds, 1),
            thousands(self.deaf)
        )?;
        let (published, received) = (&self.published, &self.received);
        writeln!(
            f,
            "received  {} of {} deliveries, each once: {} messages in {} batches to {} readers, {}/s",
            thousands(received.deliveries),
            thousands(published.expected),
            thousands(published.messages),
            thousands(published.batches),
            thousands(received.readers),
            number(self.deliveries_per_second, 0)
        )?;
        reasons(f, "wrong", &received.wrong)?;
        if self.deaf > 0 {
            let Deaf { subscribers, found, skipped, latest, ended } = &received.deaf;
            writeln!(
                f,
                "deaf      {} found {} messages in the end, {} left out before these; {} of them the latest one",
                thousands(*subscribers),
                thousands(*found),
                thousands(*skipped),
                thousands(*latest)
            )?;
            reasons(f, "ended", ended)?;
        }
        reasons(f, "refused", &published.refused)?;
        writeln!(f, "latency   {}", received.latency_us)?;
        writeln!(f, "last      {}: until all have a batch", self.last_us)?;
        writeln!(
            f,
            "publish   {}; {:.2} ms behind at most: how late this program itself was",
            published.request_us,
            millis(published.behind_us)
        )?;
        if let (Some(each), Some(cores)) = (self.cpu.server_us_per_delivery, self.cpu.server_cores) {
            let client = self.cpu.client_us_per_delivery.unwrap_or(0.0);
            writeln!(
                f,
                "server    {} us of processor time a delivery, {} cores; {} us of the clients'",
                number(each, 3),
                number(cores, 2),
                number(client, 3)
            )?;
        }
        if let Some(loops) = &self.loop_us {
            writeln!(f, "loop      {loops}: iterations of the server")?;
        }
        for (title, memory) in [
            ("without", &self.memory_without),
            ("before", &self.memory_before),
            ("peak", &self.memory_peak),
            ("after", &self.memory_after),
        ] {
            writeln!(f, "{title:<9} {memory}")?;
        }
        let counters: Vec<String> = self.counters.iter().map(|(name, by)| format!("{name} {by:+}")).collect();
        if !counters.is_empty() {
            writeln!(f, "counters  {}", counters.join("; "))?;
        }
        for (title, counts) in [("failed", &self.failed), ("lost", &self.lost), ("unclean", &self.unclean)] {
            reasons(f, title, counts)?;
        }
        Ok(())
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = |bytes: Option<u64>| bytes.map_or_else(|| "?".to_owned(), |bytes| number(mib(bytes), 2));
        write!(
            f,
            "{} MiB of user memory, {} MiB in slabs and {} MiB in TCP buffers of both ends",
            told(self.user_bytes),
            told(self.slab_bytes),
            told(Some(self.buffer_bytes))
        )
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "server    {}, the median of the rounds, and the least and the most", self.server)?;
        for figure in &FIGURES {
            let Some([median, min, max]) = figure.spread(&self.figures) else { continue };
            writeln!(f, "{:<16} {median}  {min} to {max}", figure.name)?;
        }
        Ok(())
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let figures = RATIOS.iter().filter_map(|figure| {
            let [median, min, max] = figure.spread(&self.ratios)?;
            Some(format!("{} {median} ({min} to {max})", figure.key))
        });
        let figures: Vec<String> = figures.collect();
        writeln!(f, "ratio     {} over {}: {}", self.server, self.beside, figures.join(", "))
    }
}
