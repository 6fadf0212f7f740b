//! Where backups go.

use super::problem::Fault;
use camino::Utf8PathBuf;

/// The store that `--snapshot-url` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreUrl {
    /// No backups.
    None,
    /// A folder. A relative one lies under the working folder.
    Folder(Utf8PathBuf),
}

fn unsupported(reason: &str) -> Result<StoreUrl, Fault> {
    let hint = "use a folder that every node mounts: file:///mnt/backups/".to_owned();
    Err(Fault { hint: Some(hint), ..Fault::unsupported(reason) })
}

/// Reads `file://DIR/`, `file://DIR` or `none`.
///
/// What follows `file://` is the folder as it is, with no host part and no percent signs to decode, as
/// in the old program: `file://backups/` is relative, `file:///backups/` is not.
pub fn parse(text: &str) -> Result<StoreUrl, Fault> {
    if text == "none" {
        return Ok(StoreUrl::None);
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err(Fault::new("not a URL"));
    };
    match scheme {
        "file" if rest.contains('\0') => Err(Fault::new("holds a zero byte")),
        "file" if rest.is_empty() => Err(Fault::new("names no folder")),
        "file" => match rest.trim_end_matches('/') {
            "" => Err(Fault::new("names the root folder")),
            folder => Ok(StoreUrl::Folder(folder.into())),
        },
        "s3" => unsupported("S3 stores come with a later version"),
        "http" | "https" if rest.contains("digitaloceanspaces.com") => {
            unsupported("DigitalOcean Spaces are not supported any more")
        }
        _ => Err(Fault::new("unknown kind of store")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_with_and_without_its_slash() {
        let folder = |path: &str| Ok(StoreUrl::Folder(path.into()));
        assert_eq!(parse("file:///var/backups/"), folder("/var/backups"));
        assert_eq!(parse("file:///var/backups"), folder("/var/backups"));
        assert_eq!(parse("file://backups/e2d/"), folder("backups/e2d"));
        assert_eq!(parse("file://./b%20c/"), folder("./b%20c"));
        assert_eq!(parse("none"), Ok(StoreUrl::None));
    }

    #[test]
    fn what_is_not_a_store_is_refused() {
        for text in ["", "None", "backups", "/backups", "file:/x", "file://", "file:///", "ftp://x/", "https://x/"] {
            assert!(!parse(text).unwrap_err().unsupported, "{text}");
        }
        for text in ["s3://bucket/prefix/", "s3://", "https://nyc3.digitaloceanspaces.com/bucket/"] {
            assert!(parse(text).unwrap_err().unsupported, "{text}");
        }
    }
}
