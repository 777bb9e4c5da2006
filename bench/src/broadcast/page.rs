//! The report of a broadcast for people, and its latencies as files.

use super::compare::{FIGURES, RATIOS};
use super::report::{BroadcastReport, Measurement};
use crate::engine::feed::Deaf;
use crate::measure::sampler::Memory;
use crate::report::figure::{Figure, Spreads};
use crate::report::page::{Page, spread};
use crate::report::units::{mib, millis, number, thousands};
use crate::report::{File, Report};

impl Report for BroadcastReport {
    /// Whether every measurement was clean.
    fn is_clean(&self) -> bool {
        !self.rounds.is_empty() && self.rounds.iter().all(|measured| measured.is_clean(self.connections))
    }

    fn page(&self) -> Page {
        let mut page = Page::default();
        page.title(format!("Broadcast, {}", self.date));
        page.machine("machine", &self.environment);
        let discipline = self.rate.map_or_else(
            || "each batch when all have the one before".to_owned(),
            |rate| format!("{} planned a second", number(rate, if rate < 10.0 { 2 } else { 0 })),
        );
        let [connections, topics, size, in_flight] =
            [self.connections, self.topics, self.size, self.in_flight].map(thousands);
        write!(
            page,
            "broadcast {connections} subscribers of {topics} topics, messages of {size} bytes, {in_flight} in flight, {discipline}, \
                 seed {}",
            self.seed
        );
        let mut rounds = Page::default();
        for one in &self.rounds {
            rounds.gap();
            round(&mut rounds, one);
        }
        page.folded("Rounds", rounds);
        let servers =
            self.servers.iter().map(|server| row(vec![server.server.clone()], &FIGURES, &server.figures));
        page.words("Medians over the rounds, with the least and the most; last, loop and user are the most of a round:");
        page.table(["server"].into_iter().chain(FIGURES.map(|figure| figure.name)), servers.collect());
        let compared = self
            .comparisons
            .iter()
            .map(|one| row(vec![format!("{} over {}", one.server, one.beside)], &RATIOS, &one.ratios));
        page.table(
            ["ratio within rounds"].into_iter().chain(RATIOS.map(|figure| figure.name)),
            compared.collect(),
        );
        let clean = self.rounds.iter().filter(|measured| measured.is_clean(self.connections)).count();
        page.words(format!(
            "{clean} of {} measurements were clean: every subscriber got every message once and in order.",
            self.rounds.len()
        ));
        page
    }

    fn document(&self, _pictures: &[String]) -> Page {
        let mut page = self.page();
        page.how("How it was run", &self.environment);
        page
    }

    fn name(&self) -> String {
        format!("{}-broadcast", self.date)
    }

    fn files(&self) -> anyhow::Result<Vec<File>> {
        let files = self.rounds.iter().flat_map(|measured| {
            let latencies = [
                ("delivery", Some(&measured.received.latency_us)),
                ("last", Some(&measured.last_us)),
                ("loop", measured.loop_us.as_ref()),
            ];
            latencies.into_iter().filter_map(move |(what, latency)| {
                let latency = latency.filter(|latency| latency.count() > 0)?;
                Some((format!("{}-{what}.hgrm", label(measured)), latency.hgrm()))
            })
        });
        Ok(files.collect())
    }
}

fn row(mut row: Vec<String>, figures: &[Figure<Measurement>], spreads: &Spreads) -> Vec<String> {
    row.extend(figures.iter().map(|figure| figure.spread(spreads).map_or_else(String::new, spread)));
    row
}

/// What a measurement's files are called by.
fn label(measured: &Measurement) -> String {
    let words = measured.server.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let words: String = words.map(|word| format!("{word}-")).collect();
    format!("{words}{}", measured.round)
}

fn round(page: &mut Page, measured: &Measurement) {
    let workers = measured.workers.map_or_else(String::new, |workers| format!(", {workers} workers"));
    let tables = if measured.private_tables == Some(true) { " with private tables" } else { "" };
    let [opened, deaf] = [measured.opened, measured.deaf].map(thousands);
    let (server, ramp) = (&measured.server, number(measured.ramp_seconds, 1));
    write!(
        page,
        "round     {}: {server}{workers}{tables}, {opened} opened in {ramp} s, {deaf} of them deaf",
        measured.round
    );
    deliveries(page, measured);
    costs(page, measured);
    page.reasons("failed", &measured.failed);
    page.reasons("lost", &measured.lost);
    page.reasons("unclean", &measured.unclean);
}

fn deliveries(page: &mut Page, measured: &Measurement) {
    let (published, received) = (&measured.published, &measured.received);
    let [deliveries, expected, messages, batches, readers] =
        [received.deliveries, published.expected, published.messages, published.batches, received.readers]
            .map(thousands);
    let per_second = number(measured.deliveries_per_second, 0);
    write!(
        page,
        "received  {deliveries} of {expected} deliveries, each once: {messages} messages in {batches} batches to {readers} readers, \
             {per_second}/s"
    );
    page.reasons("wrong", &received.wrong);
    if measured.deaf > 0 {
        let Deaf { subscribers, found, skipped, latest, ended } = &received.deaf;
        let [subscribers, found, skipped, latest] =
            [subscribers, found, skipped, latest].map(|count| thousands(*count));
        write!(
            page,
            "deaf      {subscribers} found {found} messages in the end, {skipped} left out before these; {latest} of them the latest one"
        );
        page.reasons("ended", ended);
    }
    page.reasons("refused", &published.refused);
    write!(page, "latency   {}", received.latency_us);
    write!(page, "last      {}: until all have a batch", measured.last_us);
    let (request, behind) = (&published.request_us, millis(published.behind_us));
    write!(page, "publish   {request}; {behind:.2} ms behind at most: how late this program itself was");
}

fn costs(page: &mut Page, measured: &Measurement) {
    let cpu = &measured.cpu;
    if let (Some(each), Some(cores)) = (cpu.server_us_per_delivery, cpu.server_cores) {
        let (each, cores) = (number(each, 3), number(cores, 2));
        let client = number(cpu.client_us_per_delivery.unwrap_or(0.0), 3);
        write!(
            page,
            "server    {each} us of processor time a delivery, {cores} cores; {client} us of the clients'"
        );
    }
    if let Some(loops) = &measured.loop_us {
        write!(page, "loop      {loops}: iterations of the server");
    }
    memory(page, "without", &measured.memory_without);
    memory(page, "before", &measured.memory_before);
    memory(page, "peak", &measured.memory_peak);
    memory(page, "after", &measured.memory_after);
    let counters: Vec<String> = measured.counters.iter().map(|(name, by)| format!("{name} {by:+}")).collect();
    if !counters.is_empty() {
        write!(page, "counters  {}", counters.join("; "));
    }
}

fn memory(page: &mut Page, about: &str, memory: &Memory) {
    let told = |bytes: Option<u64>| bytes.map_or_else(|| "?".to_owned(), |bytes| number(mib(bytes), 2));
    let [user, slabs, buffers] = [memory.user_bytes, memory.slab_bytes, Some(memory.buffer_bytes)].map(told);
    write!(
        page,
        "{about:<9} {user} MiB of user memory, {slabs} MiB in slabs and {buffers} MiB in TCP buffers of both ends"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_of_the_report_is_documented() {
        let rounds = vec![Measurement { server: "a".to_owned(), ..Measurement::default() }];
        let mut report = BroadcastReport { rounds, ..BroadcastReport::default() };
        report.summarize(&[("a".to_owned(), "a".to_owned())]);
        crate::report::documented::check(&report, "broadcast");
    }

    #[test]
    fn labels_stand_in_file_names() {
        let labels = ["throng, drop-oldest, some deaf", "ws://127.0.0.1:9001/t-{n}", "floor"].map(|server| {
            label(&Measurement { server: server.to_owned(), round: 2, ..Measurement::default() })
        });
        assert_eq!(labels, ["throng-drop-oldest-some-deaf-2", "ws-127-0-0-1-9001-t-n-2", "floor-2"]);
    }
}
