//! One round: both numbers of connections against one server, silent first and then not.

use std::time::{Duration, Instant};

use super::args::IdleArgs;
use super::report::{Round, UserBytes};
use crate::engine::driver::{Driver, show_time};
use crate::engine::target::{Numbers, Target};
use crate::engine::{EchoPlan, Engine, Outcome, Payload, Plan};
use crate::measure::interrupt::Interrupt;
use crate::measure::progress::Bars;
use crate::measure::settle::{settled, user};

/// Most connections that are being opened or closed at the same time.
const IN_FLIGHT: usize = 256;
/// How far apart the seeds of the two engines are: their threads' lie in between.
const SEEDS: u64 = 1 << 32;

/// The connections of a round: those of the lower number, and those that are added to them.
pub(super) struct Client<'a> {
    args: &'a IdleArgs,
    pids: &'a [u32],
    engines: [Engine; 2],
    /// The connections of each.
    shares: [u32; 2],
    without: u64,
}

impl<'a> Client<'a> {
    /// Looks at the server without connections, and starts the threads.
    pub(super) fn start(args: &'a IdleArgs, targets: &[Target], pids: &'a [u32]) -> anyhow::Result<Self> {
        let without = user(pids)?;
        let client = crate::engine::args::ClientArgs { to: targets.to_vec(), ..args.client.clone() };
        let plan = Plan::of(&client, args.high)?;
        let shares = [args.low, args.high - args.low];
        let engine = |number: usize| {
            Engine::start(Plan {
                connections: shares[number] as usize,
                in_flight: IN_FLIGHT,
                rate: args.connect_rate.per_second(),
                compression: args.compression.clone(),
                numbers: Numbers {
                    first: if number == 0 { 0 } else { args.low as usize },
                    ..Numbers::default()
                },
                seed: client.seed.wrapping_add(number as u64 * SEEDS),
                ..plan.clone()
            })
        };
        Ok(Self { args, pids, engines: [engine(0)?, engine(1)?], shares, without })
    }

    /// Goes through the round, as far as connections open.
    pub(super) fn round(
        self,
        server: String,
        number: u64,
        interrupt: &Interrupt,
        bars: Bars,
    ) -> anyhow::Result<Round> {
        let user_bytes = UserBytes { without: self.without, ..UserBytes::default() };
        let round = Round { server, round: number, user_bytes, ..Round::default() };
        let Self { args, pids, engines, shares, .. } = self;
        let drivers = engines.map(|engine| Driver { engine, interrupt: interrupt.clone(), bars });
        let mut run = Run { args, pids, drivers, round };
        if run.stage(0, shares[0], ["low", "low, echoed"])? {
            run.stage(1, shares[1], ["high", "high, echoed"])?;
        }
        run.finish()
    }
}

struct Run<'a> {
    args: &'a IdleArgs,
    pids: &'a [u32],
    drivers: [Driver; 2],
    round: Round,
}

impl Run<'_> {
    /// Opens the connections of an engine and has them echo, with a look at the memory after either. `false` when one failed.
    fn stage(&mut self, number: usize, connections: u32, titles: [&'static str; 2]) -> anyhow::Result<bool> {
        let opening = self.drivers[number].ramp(titles[0])?;
        self.round.opened += opening.opened;
        self.round.failed += &opening.failed;
        self.round.agreed += &opening.agreed;
        if opening.opened != u64::from(connections) {
            return Ok(false);
        }
        let silent = Some(self.read(number, titles[0])?);
        let mut echoed = None;
        if self.args.echoes > 0 {
            self.echo(number, connections)?;
            echoed = Some(self.read(number, titles[1])?);
        }
        let bytes = &mut self.round.user_bytes;
        if number == 0 {
            (bytes.low, bytes.low_echoed) = (silent, echoed);
        } else {
            (bytes.high, bytes.high_echoed) = (silent, echoed);
        }
        Ok(true)
    }

    /// Has each connection of an engine echo as often as it is to.
    fn echo(&mut self, number: usize, connections: u32) -> anyhow::Result<()> {
        let (args, driver) = (self.args, &self.drivers[number]);
        let messages = f64::from(connections) * f64::from(args.echoes);
        // Connections take turns, so that this time has room for exactly so many messages of each.
        driver.engine.echo(EchoPlan {
            connections: connections as usize,
            depth: 1,
            size: args.size as usize,
            rate: Some(args.echo_rate),
            payload: Payload::Json,
            warm_up: Duration::ZERO,
            time: Duration::from_secs_f64(messages / args.echo_rate),
            patience: args.patience,
        });
        let echoed = driver.until(Engine::echoed)?;
        let sum = &mut self.round.echo;
        sum.sent += echoed.sent;
        sum.received += echoed.received;
        sum.compressed += echoed.compressed;
        sum.wrong += &echoed.wrong;
        Ok(())
    }

    fn read(&mut self, number: usize, stage: &'static str) -> anyhow::Result<u64> {
        let (args, driver) = (self.args, &self.drivers[number]);
        let bar = driver.bars.waiting("settle", args.settle);
        let start = Instant::now();
        let memory = settled(self.pids, args.settle, args.settle_within, |pause| {
            show_time(&bar, start);
            self.drivers.iter().try_for_each(|other| other.look(pause / 2))
        })?;
        bar.finish_and_clear();
        if !memory.is_settled {
            self.round.unsettled.push(stage.to_owned());
        }
        Ok(memory.bytes)
    }

    fn finish(mut self) -> anyhow::Result<Round> {
        for driver in &mut self.drivers {
            driver.engine.close();
        }
        for driver in self.drivers {
            let Outcome { lost, unclean, .. } = driver.close()?.0;
            self.round.lost += &lost;
            self.round.unclean += &unclean;
        }
        self.round.per_connection = self.round.user_bytes.per_connection(self.args.low, self.args.high);
        Ok(self.round)
    }
}
