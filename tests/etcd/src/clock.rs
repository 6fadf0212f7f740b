//! Clocks that are wrong.
//!
//! The kernel has one clock of the day for all machines of a story, and only the real one could be set. So e2d
//! is given another one by a library that stands before the C library. etcd asks the kernel by itself, so its
//! own clock stays right.

use crate::cluster::Cluster;
use anyhow::{Result, ensure};
use std::process::Command;

/// A `clock_gettime` that adds the seconds in the file `STORY_CLOCK` to the time of day.
const SOURCE: &str = r#"
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
int clock_gettime(clockid_t id, struct timespec *now) {
    long result = syscall(SYS_clock_gettime, id, now);
    const char *path = getenv("STORY_CLOCK");
    if (result == 0 && id == CLOCK_REALTIME && path) {
        char text[32] = {0};
        int file = open(path, O_RDONLY | O_CLOEXEC);
        if (file >= 0) {
            if (read(file, text, sizeof text - 1) > 0) now->tv_sec += atol(text);
            close(file);
        }
    }
    return (int)result;
}
"#;

impl Cluster {
    /// Gives the e2d of every machine a clock that can be set.
    pub fn clocks(&mut self) -> Result<()> {
        let (source, library) = (self.folder.join("clock.c"), self.folder.join("clock.so"));
        fs_err::write(&source, SOURCE)?;
        let built =
            Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o", library.as_str(), source.as_str()]).output()?;
        ensure!(built.status.success(), "cc: {}", String::from_utf8_lossy(&built.stderr));
        for n in self.all() {
            let (preload, clock) = (format!("LD_PRELOAD={library}"), format!("STORY_CLOCK={}/clock{n}", self.folder));
            self.wrap(n, &["env", &preload, &clock]);
        }
        Ok(())
    }

    /// Sets the clock of a machine's e2d this many seconds ahead, or back.
    pub fn set_clock(&self, n: u8, ahead: i64) -> Result<()> {
        Ok(fs_err::write(self.folder.join(format!("clock{n}")), ahead.to_string())?)
    }
}
