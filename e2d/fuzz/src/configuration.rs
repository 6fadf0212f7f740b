//! What an operator says: flags, variables and the file, all from one text.
//!
//! Lines `--KEY VALUE` are flags, lines `$NAME VALUE` are variables, all others are the file.

use crate::ensure;
use e2d::config::{self, ConfigFile, Given};
use std::net::{IpAddr, Ipv4Addr};

pub(crate) fn said(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (mut flags, mut variables, mut file) = (Vec::new(), Vec::new(), String::new());
    for line in text.split('\n') {
        let (name, value) = line.split_once(' ').unwrap_or((line, ""));
        if let Some(flag) = name.strip_prefix("--") {
            flags.push((flag.to_owned(), value.into()));
        } else if let Some(variable) = name.strip_prefix('$') {
            variables.push((variable.into(), value.into()));
        } else {
            file.push_str(line);
            file.push('\n');
        }
    }
    let given = Given::new(flags, variables).with_file(ConfigFile::new("e2d.toml", file));
    if let Err(refused) = config::site(&given).map(drop).and_then(|()| config::reach(&given).map(drop)) {
        explained(&refused);
    }
    let settled = config::parse(&given).and_then(|draft| draft.settle(|| Ok(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)))));
    if let Err(refused) = settled {
        explained(&refused);
    }
}

/// S22: whatever is refused names something, and says what to do.
fn explained(refused: &config::Refused) {
    ensure(!refused.problems.is_empty(), "refused without a reason");
    for problem in &refused.problems {
        ensure(!problem.to_string().is_empty() && !problem.hint().is_empty(), "a problem without words");
    }
}
