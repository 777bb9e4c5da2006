//! How many workers there are by default, and on which cores they sit.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use super::client::Client;
use super::command::Program;

/// The cores that each worker may use, by its number.
fn cores_of_workers(program: &Program) -> BTreeMap<String, String> {
    let tasks = fs::read_dir(format!("/proc/{}/task", program.id())).unwrap();
    let tasks = tasks.map(|task| fs::read_to_string(task.unwrap().path().join("status")).unwrap());
    let field = |status: &str, name: &str| {
        status.lines().find_map(|line| line.strip_prefix(name)).expect("the field is there").trim().to_owned()
    };
    tasks
        .map(|status| (field(&status, "Name:"), field(&status, "Cpus_allowed_list:")))
        .filter(|(name, _)| name.strip_prefix("throng-").is_some_and(|number| number.parse::<u32>().is_ok()))
        .collect()
}

fn workers(program: &Program) -> usize {
    usize::try_from(program.ready["workers"].as_u64().unwrap()).unwrap()
}

fn started_by(before: &str) -> Program {
    Program::started_by(before, &["--app", "echo"]).next().expect("there are as many as are taken")
}

#[test]
fn fewer_workers_than_cores_are_left_to_the_scheduler() {
    let cores = core_affinity::get_core_ids().unwrap().len();
    if cores < 2 {
        println!("left out: there is one core");
        return;
    }
    let arguments = ["--app", "echo", "--workers", "1"];
    let (one, other) =
        (Program::started_by("", &arguments).next(), Program::started_by("", &arguments).next());
    let all = cores_of_workers(&started_by("")).len();
    for program in [one.unwrap(), other.unwrap()] {
        let placed = cores_of_workers(&program);
        assert_eq!(placed.len(), 1);
        assert!(placed.values().all(|cores| cores.contains(['-', ','])), "{placed:?} of {all}");
    }
}

#[test]
fn a_worker_a_core_sits_on_its_core() {
    let placed = cores_of_workers(&started_by(""));
    let expected = core_affinity::get_core_ids().unwrap();
    let mut sat: Vec<usize> = placed.values().map(|core| core.parse().expect("one core")).collect();
    sat.sort_unstable();
    assert_eq!(sat, expected.iter().map(|core| core.id).collect::<Vec<_>>());
    // One more than the cores: it may run anywhere.
    let more = (expected.len() + 1).to_string();
    let program = Program::started_by("", &["--app", "echo", "--workers", &more]).next().unwrap();
    let placed = cores_of_workers(&program);
    let last = &placed[&format!("throng-{}", expected.len())];
    assert!(expected.len() == 1 || last.contains(['-', ',']), "{placed:?}");
}

#[test]
fn cores_that_the_process_may_not_use_have_no_workers() {
    let cores = core_affinity::get_core_ids().unwrap();
    let core = cores.last().unwrap().id;
    let program = started_by(&format!("taskset -p -c {core} $$ >/dev/null && "));
    assert_eq!(workers(&program), 1);
    assert_eq!(cores_of_workers(&program)["throng-0"], core.to_string());
}

/// A control group with the time of one core, removed at the end.
struct Group(PathBuf);

impl Group {
    /// In the first hierarchy that has the controller and lets this user make one.
    fn of_one_core() -> Option<Self> {
        let name = format!("throng-{}", std::process::id());
        let v1 = ["cpu", "cpu,cpuacct"]
            .map(|controller| ("cpu.cfs_quota_us", "100000", format!("/sys/fs/cgroup/{controller}")));
        let v2 = ("cpu.max", "100000 100000", "/sys/fs/cgroup".to_owned());
        v1.into_iter().chain([v2]).find_map(|(file, quota, place)| {
            let group = Self(PathBuf::from(place).join(&name));
            // In v1 the file comes with the directory; in v2 it is there where the parent hands the controller down.
            fs::create_dir(&group.0).ok()?;
            let has_quota = group.0.join(file).exists() && fs::write(group.0.join(file), quota).is_ok();
            has_quota.then_some(group)
        })
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // A program that has just been killed may still be in it.
        for _ in 0..200 {
            if fs::remove_dir(&self.0).is_ok() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }
}

#[test]
fn a_quota_of_processor_time_bounds_the_number_of_workers() {
    let Some(group) = Group::of_one_core() else {
        println!("left out: this user cannot make a control group with a quota");
        return;
    };
    let enter = format!("echo $$ >{}/cgroup.procs && ", group.0.display());
    let program = started_by(&enter);
    assert_eq!(workers(&program), 1);
    Client::open(program.address).is_echoed("hi");
    let given = Program::started_by(&enter, &["--app", "echo", "--workers", "3"]).next().unwrap();
    assert_eq!(workers(&given), 3);
}

/// Files that stand for the control groups of version 2, which few machines have beside those of version 1: the program finds them in a
/// mount namespace of its own. The process is in `outer/inner`.
struct Stand(PathBuf);

impl Stand {
    fn new(outer: &str, inner: &str) -> Self {
        let stand = Self(std::env::temp_dir().join(format!("throng-{}-groups", std::process::id())));
        fs::create_dir_all(stand.0.join("outer/inner")).unwrap();
        fs::write(stand.0.join("of-the-process"), "0::/outer/inner\n").unwrap();
        for (group, quota) in [("outer", outer), ("outer/inner", inner)] {
            fs::write(stand.0.join(group).join("cgroup.controllers"), "cpu memory\n").unwrap();
            fs::write(stand.0.join(group).join("cpu.max"), quota).unwrap();
        }
        stand
    }

    /// What a shell does before it starts the program; `None` where this user may make no such namespace.
    fn enter(&self) -> Option<String> {
        let place = self.0.display();
        let mounts = format!(
            "mount --bind {place}/of-the-process /proc/$$/cgroup && mount --bind {place} /sys/fs/cgroup"
        );
        let entered = |user: &&str| {
            let words = format!("unshare {user} --mount sh -c '{mounts}'");
            std::process::Command::new("sh").args(["-c", &words]).output().unwrap().status.success()
        };
        let user = ["", "--user --map-root-user"].into_iter().find(entered)?;
        let then = r#"exec "$0" serve "$@""#;
        Some(format!("exec unshare {user} --mount sh -c '{mounts} && {then}' \"$0\" \"$@\"; "))
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_quota_of_the_second_version_counts_and_so_does_that_of_a_group_around_it() {
    let cores = core_affinity::get_core_ids().unwrap().len();
    for (outer, inner, expected) in [
        ("max 100000\n", "100000 100000\n", 1),
        ("150000 100000\n", "max 100000\n", 1),
        ("max 100000\n", "5000 100000\n", 1),
        ("max 100000\n", "max 100000\n", cores),
        ("200000 100000\n", "900000 100000\n", cores.min(2)),
    ] {
        let stand = Stand::new(outer, inner);
        let Some(enter) = stand.enter() else {
            println!("left out: this user cannot make a mount namespace");
            return;
        };
        assert_eq!(workers(&started_by(&enter)), expected, "{outer:?} {inner:?}");
    }
}
