//! Shows what is known of a node: once, or again whenever it changes.
//!
//! The daemon says it, and while that is down, the disk and the store. On a terminal each picture takes the place
//! of the one before; elsewhere they follow each other, so that a file or a pipe gets all of them.

use super::client::SiteArgs;
use super::down::{self, Down};
use super::exit::{Exit, Failure};
use super::{ask, output};
use crate::admin::v1::StatusReply;
use crate::config::Site;
use camino::Utf8Path;
use std::io::IsTerminal as _;
use std::time::Duration;

/// How often to look.
const EVERY: Duration = Duration::from_secs(1);
/// Moves a terminal's cursor to the first place, and erases all from there on (ECMA-48, CUP and ED).
const CLEAR: &str = "\x1b[H\x1b[2J";

/// What is known.
pub(super) struct Seen {
    pub(super) reply: StatusReply,
    /// Who says which members there are, while the daemon is down.
    pub(super) source: &'static str,
    /// Why it is not the daemon's word.
    failure: Option<Failure>,
}

/// Shows it. What the disk and the store show is shown, and is no success.
pub(super) fn show(
    args: &SiteArgs,
    again: bool,
    render: impl Fn(&Seen) -> Result<String, Failure>,
) -> Result<(), Failure> {
    let site = args.site(std::env::vars_os())?;
    let socket = args.socket(&site);
    let clears = again && std::io::stdout().is_terminal();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::failed)?;
    runtime.block_on(async {
        let mut shown = String::new();
        loop {
            let seen = look(args, &site, &socket).await?;
            let text = render(&seen)?;
            let is_read = text == shown || output::offer(&picture(&text, clears))?;
            if !again || !is_read {
                return seen.failure.map_or(Ok(()), Err);
            }
            shown = text;
            tokio::time::sleep(EVERY).await;
        }
    })
}

fn picture(text: &str, clears: bool) -> String {
    if clears { format!("{CLEAR}{text}") } else { text.to_owned() }
}

async fn look(args: &SiteArgs, site: &Site, socket: &Utf8Path) -> Result<Seen, Failure> {
    let failure = match ask::status(socket).await {
        Ok(reply) => return Ok(Seen { reply, source: "", failure: None }),
        Err(failure) if failure.exit() == Exit::TryAgain => failure,
        Err(failure) => return Err(failure),
    };
    match down::look(args, site).await? {
        Some(Down { reply, source }) => Ok(Seen { reply, source, failure: Some(failure) }),
        None => Err(failure),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nothing but the text goes where no terminal is.
    #[test]
    fn only_a_terminal_is_cleared() {
        assert_eq!(picture("a\nb\n", false), "a\nb\n");
        assert_eq!(picture("a\nb\n", true), "\u{1b}[H\u{1b}[2Ja\nb\n");
    }
}
