//! Options of the C library's allocator that make it give free memory back to the system.

/// Sets glibc's allocator so that each block of `threshold` bytes or more is a mapping of its own, which returns to the system when the
/// block is freed (mallopt(3), `M_MMAP_THRESHOLD`; after this call glibc no longer raises the threshold itself).
///
/// The setting is process-wide, so the program makes this call and the library does not. Without glibc the function does nothing.
pub fn map_large_blocks(threshold: usize) {
    #[cfg(target_env = "gnu")]
    {
        let threshold = libc::c_int::try_from(threshold).unwrap_or(libc::c_int::MAX);
        // SAFETY: mallopt takes no pointers; it is called before any other thread runs.
        unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, threshold) };
    }
    #[cfg(not(target_env = "gnu"))]
    let _ = threshold;
}

/// Bounds the number of glibc's arenas, each of which keeps free memory of its own (mallopt(3), `M_ARENA_MAX`).
///
/// The setting is process-wide like that of [`map_large_blocks`]. Call the function before other threads start.
pub fn limit_arenas(arenas: usize) {
    #[cfg(target_env = "gnu")]
    {
        let arenas = libc::c_int::try_from(arenas).unwrap_or(libc::c_int::MAX);
        // SAFETY: mallopt takes no pointers.
        unsafe { libc::mallopt(libc::M_ARENA_MAX, arenas) };
    }
    #[cfg(not(target_env = "gnu"))]
    let _ = arenas;
}

/// Returns the bytes of the process's anonymous memory that are resident: its heap, stacks and private mappings (`RssAnon` of
/// /proc/self/status, proc_pid_status(5); Linux 4.5).
///
/// # Errors
/// When /proc is not mounted, or the file has no line `RssAnon`.
pub fn anonymous_resident() -> std::io::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kibibytes
        .map(|count| count * 1024)
        .ok_or_else(|| std::io::Error::other("no RssAnon in /proc/self/status"))
}

/// Gives the allocator's free pages back to the system (malloc_trim(3)). Its time grows with the amount of free memory: call it after a
/// load has ended, never on the message path. Without glibc it does nothing.
pub fn give_back_free_pages() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim takes no pointers and may be called at any time.
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn resident_memory_follows_what_is_touched() {
        let before = super::anonymous_resident().unwrap();
        let block = vec![1_u8; 64 << 20];
        let during = super::anonymous_resident().unwrap();
        assert!(during >= before + (60 << 20), "{before} {during}");
        drop(block);
    }
}
