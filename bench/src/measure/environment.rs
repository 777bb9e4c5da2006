//! What a result depends on and has to name.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::SystemTime;

use procfs::Current;
use serde::{Deserialize, Serialize};

/// Settings of the kernel that bound the number of connections, or change what one costs.
const SYSCTLS: [&str; 15] = [
    "fs.epoll.max_user_watches",
    "fs.file-max",
    "fs.nr_open",
    "net.core.netdev_max_backlog",
    "net.core.somaxconn",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.tcp_congestion_control",
    "net.ipv4.tcp_ehash_entries",
    "net.ipv4.tcp_max_orphans",
    "net.ipv4.tcp_max_syn_backlog",
    "net.ipv4.tcp_max_tw_buckets",
    "net.ipv4.tcp_mem",
    "net.ipv4.tcp_migrate_req",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_wmem",
];

/// The machine and the command of a measurement.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Environment {
    pub(crate) version: String,
    /// The commit checked out in the working directory, if there is one.
    pub(crate) commit: Option<String>,
    /// The command line. Of absolute paths only the last part: where things lie on a machine says nothing about the figures.
    pub(crate) command: Vec<String>,
    pub(crate) kernel: String,
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    pub(crate) memory_bytes: u64,
    pub(crate) descriptors: u64,
    pub(crate) sysctls: BTreeMap<String, String>,
}

impl Environment {
    /// Reads what is to be known. What the system does not tell stays empty: a measurement is not worth less for it.
    pub(crate) fn read() -> Self {
        let cpu_info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            commit: commit(),
            command: std::env::args().map(|argument| without_directory(&argument)).collect(),
            kernel: sysctl("kernel.osrelease").unwrap_or_default(),
            cpu: cpu_model(&cpu_info).unwrap_or_default().to_owned(),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            memory_bytes: procfs::Meminfo::current().map_or(0, |memory| memory.mem_total),
            descriptors: throng::sys::fdtable::limits().map_or(0, |(_, hard)| hard),
            sysctls: SYSCTLS.iter().filter_map(|&name| Some((name.to_owned(), sysctl(name)?))).collect(),
        }
    }
}

/// What tells this running kernel from every other: the same in all containers and namespaces on it.
pub(crate) fn boot_id() -> String {
    sysctl("kernel.random.boot_id").unwrap_or_default()
}

/// The value of a setting of the kernel; several numbers are separated by single spaces.
fn sysctl(name: &str) -> Option<String> {
    let value = std::fs::read_to_string(format!("/proc/sys/{}", name.replace('.', "/"))).ok()?;
    Some(value.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn cpu_model(cpu_info: &str) -> Option<&str> {
    let line = cpu_info.lines().find(|line| line.starts_with("model name"))?;
    line.split_once(':').map(|(_, model)| model.trim())
}

fn commit() -> Option<String> {
    let mut git = Command::new("git");
    git.args(["rev-parse", "HEAD"]).stdin(Stdio::null()).stderr(Stdio::null());
    let output = git.output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}

/// An argument, and the words of a command in it (`NAME=COMMAND`), with files named without their directories.
pub(crate) fn without_directory(argument: &str) -> String {
    let path = Path::new(argument);
    if let Some(name) = path.file_name().filter(|_| path.is_absolute()) {
        return name.to_string_lossy().into_owned();
    }
    let Some((name, command)) = argument.split_once('=') else { return argument.to_owned() };
    format!("{name}={}", words_without_directory(command))
}

/// The words of a command, as [`without_directory`].
pub(crate) fn words_without_directory(command: &str) -> String {
    command.split(' ').map(without_directory).collect::<Vec<_>>().join(" ")
}

/// Today (UTC), as in 2026-01-31.
pub(crate) fn today() -> String {
    let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    now.chars().take_while(|&c| c != 'T').collect()
}

/// This machine's name, as far as it can stand in a file's.
pub(crate) fn host_name() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name: String = name.trim().chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
    if name.is_empty() { "host".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_is_named() {
        let environment = Environment::read();
        assert!(environment.memory_bytes > 0 && environment.cores > 0 && !environment.kernel.is_empty());
        assert_eq!(environment.sysctls["net.ipv4.ip_local_port_range"].split(' ').count(), 2);
        assert_eq!(cpu_model("processor\t: 0\nmodel name\t: Some CPU\n"), Some("Some CPU"));
    }

    #[test]
    fn the_command_names_files_without_their_directories() {
        let shown = [
            "/opt/throng-bench",
            "c1m",
            "--json",
            "/var/a b.json",
            "ws://127.0.0.1:1/x",
            "here/out.json",
            "-",
            "mine=/opt/a/server --port={port} -c /etc/server.toml",
        ];
        let expected = [
            "throng-bench",
            "c1m",
            "--json",
            "a b.json",
            "ws://127.0.0.1:1/x",
            "here/out.json",
            "-",
            "mine=server --port={port} -c server.toml",
        ];
        assert_eq!(shown.map(without_directory), expected);
    }
}
