//! What this machine is and how busy it is, from /proc. A runner never fails because of it.

/// What the machine has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Machine {
    pub(super) cores: usize,
    pub(super) memory_mb: u64,
}

impl Machine {
    /// This machine; zero stands for what it does not tell.
    pub(super) fn this() -> Self {
        let told = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
        Self {
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            memory_mb: memory_mb(&told).unwrap_or_default(),
        }
    }
}

/// The load average of a minute; zero when the machine does not tell.
pub(super) fn load() -> f64 {
    let told = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    first_number(&told).unwrap_or_default()
}

fn memory_mb(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find(|line| line.starts_with("MemTotal:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1_024 / 1_000_000)
}

fn first_number(loadavg: &str) -> Option<f64> {
    loadavg.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_proc_says_is_read_and_what_it_does_not_say_is_zero() {
        let told = "MemFree:  1 kB\nMemTotal:       24000000 kB\n";
        assert_eq!(memory_mb(told), Some(24_576));
        assert_eq!(memory_mb(""), None);
        assert_eq!(first_number("0.18 1.41 2.21 1/234 5\n"), Some(0.18));
        assert_eq!(first_number(""), None);
        assert!(Machine::this().cores > 0);
    }
}
