//! One round: both numbers of connections against one server, silent first and then not.

use std::time::{Duration, Instant};

use anyhow::{bail, ensure};

use super::IdleArgs;
use super::report::{Round, UserBytes};
use crate::engine::target::{Numbers, Target};
use crate::engine::{EchoPlan, Outcome, Payload, Plan, Swarm};
use crate::measure::interrupt::Interrupt;
use crate::measure::progress::Bars;
use crate::measure::settle::{settled, user};

/// How often the main thread looks at the swarms.
const LOOK: Duration = Duration::from_millis(10);
/// Most connections that are being opened or closed at the same time.
const IN_FLIGHT: usize = 256;
/// How far apart the seeds of the two swarms are: their threads' lie in between.
const SEEDS: u64 = 1 << 32;

/// The connections of a round: those of the lower number, and those that are added to them.
pub(super) struct Client<'a> {
    args: &'a IdleArgs,
    pids: &'a [u32],
    swarms: [Swarm; 2],
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
        let swarm = |number: usize| {
            Swarm::start(Plan {
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
        Ok(Self { args, pids, swarms: [swarm(0)?, swarm(1)?], shares, without })
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
        let mut run = Run { client: self, interrupt, bars, round };
        if run.stage(0)? {
            run.stage(1)?;
        }
        run.finish()
    }
}

struct Run<'a> {
    client: Client<'a>,
    interrupt: &'a Interrupt,
    bars: Bars,
    round: Round,
}

impl Run<'_> {
    /// Opens the connections of a swarm and has them echo, with a look at the memory after either. `false` when one failed.
    fn stage(&mut self, number: usize) -> anyhow::Result<bool> {
        let (title, silent, echoed) =
            [("low", "low", "low, echoed"), ("high", "high", "high, echoed")][number];
        if !self.open(number, title)? {
            return Ok(false);
        }
        let silent = self.read(silent)?;
        let echoed = match self.client.args.echoes {
            0 => None,
            _ => {
                self.echo(number)?;
                Some(self.read(echoed)?)
            }
        };
        let bytes = &mut self.round.user_bytes;
        let places = if number == 0 {
            (&mut bytes.low, &mut bytes.low_echoed)
        } else {
            (&mut bytes.high, &mut bytes.high_echoed)
        };
        (*places.0, *places.1) = (Some(silent), echoed);
        Ok(true)
    }

    fn open(&mut self, number: usize, title: &'static str) -> anyhow::Result<bool> {
        let wanted = u64::from(self.client.shares[number]);
        let bar = self.bars.counting(title, wanted);
        self.client.swarms[number].open();
        while !self.client.swarms[number].is_ramped() {
            self.look(LOOK)?;
            bar.set_position(self.client.swarms[number].counts().opened);
        }
        bar.finish_and_clear();
        let swarm = &self.client.swarms[number];
        swarm.hold();
        let opening = swarm.opening();
        self.round.opened += opening.opened;
        self.round.failed += &opening.failed;
        self.round.agreed += &opening.agreed;
        Ok(opening.opened == wanted)
    }

    /// Has each connection of a swarm echo as often as it is to.
    fn echo(&mut self, number: usize) -> anyhow::Result<()> {
        let (args, connections) = (self.client.args, self.client.shares[number]);
        let messages = f64::from(connections) * f64::from(args.echoes);
        let swarm = &self.client.swarms[number];
        // Connections take turns, so that this time has room for exactly so many messages of each.
        swarm.echo(EchoPlan {
            connections: connections as usize,
            depth: 1,
            size: args.size as usize,
            rate: Some(args.echo_rate),
            payload: Payload::Json,
            warm_up: Duration::ZERO,
            time: Duration::from_secs_f64(messages / args.echo_rate),
            patience: args.patience,
        });
        let echoed = loop {
            if let Some(echoed) = self.client.swarms[number].echoed() {
                break echoed;
            }
            self.look(LOOK)?;
        };
        let sum = &mut self.round.echo;
        sum.sent += echoed.sent;
        sum.received += echoed.received;
        sum.compressed += echoed.compressed;
        sum.wrong += &echoed.wrong;
        Ok(())
    }

    fn read(&mut self, stage: &'static str) -> anyhow::Result<u64> {
        let args = self.client.args;
        let bar = self.bars.waiting("settle", args.settle);
        let start = Instant::now();
        let memory = settled(self.client.pids, args.settle, args.settle_within, |pause| {
            bar.set_position(u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX));
            self.look(pause)
        })?;
        bar.finish_and_clear();
        if !memory.is_settled {
            self.round.unsettled.push(stage.to_owned());
        }
        Ok(memory.bytes)
    }

    /// One look at the swarms, and a little sleep.
    fn look(&self, pause: Duration) -> anyhow::Result<()> {
        ensure!(!self.interrupt.is_raised(), "interrupted");
        if self.client.swarms.iter().any(Swarm::has_ended_thread) {
            bail!("a client thread has ended early");
        }
        std::thread::sleep(pause);
        Ok(())
    }

    fn finish(mut self) -> anyhow::Result<Round> {
        let Client { args, mut swarms, .. } = self.client;
        swarms.iter_mut().for_each(Swarm::close);
        for swarm in swarms {
            let Outcome { lost, unclean, .. } = swarm.finish()?;
            self.round.lost += &lost;
            self.round.unclean += &unclean;
        }
        self.round.per_connection = self.round.user_bytes.per_connection(args.low, args.high);
        Ok(self.round)
    }
}
