//! Keys of the old program whose part is not there yet, or gone. They are refused, never ignored.

use super::table;
use crate::config::key::{Decl, Effect, Key, Section};
use crate::config::problem::Fault;

const NOTHING: &str = "nothing in this version";
const AWS: Effect = Effect::Later("leave it out: the old program ignored it, and AWS comes with a later version");
const AWS_SESSION: Effect = Effect::Later("leave it out: nothing speaks to AWS before a later version");
const DIGITALOCEAN: Effect = Effect::Gone("leave it out: DigitalOcean is not supported any more");

pub(super) fn later(_: &str) -> Result<(), Fault> {
    Err(Fault::unsupported("it comes with a later version"))
}

fn gone(_: &str) -> Result<(), Fault> {
    Err(Fault::unsupported("it is gone for good"))
}

table! {
    /// Part of an AWS credential.
    AWS_ACCESS_KEY: () = Decl::new(Section::Refused, "aws-access-key", "ID", "AWS access key id")
        .old_default("none, without effect")
        .allowed(NOTHING, "")
        .effect(AWS)
        .secret()
        .read_by(later);

    /// Part of an AWS credential.
    AWS_SECRET_KEY: () = Decl::new(Section::Refused, "aws-secret-key", "KEY", "AWS secret access key")
        .old_default("none, without effect")
        .allowed(NOTHING, "")
        .effect(AWS)
        .secret()
        .read_by(later);

    /// The session's name at AWS.
    AWS_ROLE_SESSION_NAME: () = Decl::new(Section::Refused, "aws-role-session-name", "NAME", "Name of the AWS session")
        .old_default("none")
        .allowed(NOTHING, "")
        .effect(AWS_SESSION)
        .read_by(later);

    /// `DigitalOcean`'s token.
    DO_ACCESS_TOKEN: () = Decl::new(Section::Refused, "do-access-token", "TOKEN", "DigitalOcean API token")
        .old_default("none")
        .allowed(NOTHING, "")
        .effect(DIGITALOCEAN)
        .secret()
        .read_by(gone);

    /// `DigitalOcean`'s credential for Spaces.
    DO_SPACES_KEY: () = Decl::new(Section::Refused, "do-spaces-key", "ID", "DigitalOcean Spaces key")
        .old_default("none")
        .allowed(NOTHING, "")
        .effect(DIGITALOCEAN)
        .secret()
        .read_by(gone);

    /// `DigitalOcean`'s credential for Spaces.
    DO_SPACES_SECRET: () = Decl::new(Section::Refused, "do-spaces-secret", "SECRET", "DigitalOcean Spaces secret")
        .old_default("none")
        .allowed(NOTHING, "")
        .effect(DIGITALOCEAN)
        .secret()
        .read_by(gone);
}
