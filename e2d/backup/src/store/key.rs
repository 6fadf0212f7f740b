//! What objects are called.
//!
//! A key is a relative path of ordinary names: it can be a file below a folder and the tail of an S3
//! key alike, and it cannot lead out of either. Names that begin with a dot are left to the stores
//! themselves and to the tools that leave hidden files about.

use std::fmt;

/// The longest key, in bytes. With a prefix of the same length it is still within S3's 1024.
const MAX_BYTES: usize = 512;
/// The longest name between two slashes, in bytes. File systems allow 255.
const MAX_NAME_BYTES: usize = 200;
/// How deep keys may nest.
const MAX_NAMES: usize = 16;

/// Why a text cannot name an object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not an object key: {rule}")]
pub struct InvalidKey {
    /// The text, cut to 80 characters.
    pub text: String,
    /// The rule that it breaks.
    pub rule: &'static str,
}

fn check_name(name: &str) -> Result<(), &'static str> {
    match name {
        "" => Err("names between slashes are not empty"),
        _ if name.starts_with('.') => Err("names do not begin with a dot"),
        _ if name.len() > MAX_NAME_BYTES => Err("names have at most 200 bytes"),
        _ if name.chars().any(char::is_control) => Err("names have no control characters"),
        _ => Ok(()),
    }
}

fn check<'a>(text: &str, mut names: impl Iterator<Item = &'a str>) -> Result<(), InvalidKey> {
    let invalid = |rule| InvalidKey { text: text.chars().take(80).collect(), rule };
    if text.len() > MAX_BYTES {
        return Err(invalid("keys have at most 512 bytes"));
    }
    if text.split('/').count() > MAX_NAMES {
        return Err(invalid("keys have at most 16 names"));
    }
    names.try_for_each(check_name).map_err(invalid)
}

/// The name of an object: 1 to 512 bytes, up to 16 names separated by slashes, none empty, none
/// beginning with a dot, none with control characters, none longer than 200 bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(String);

impl Key {
    /// Takes a text as a key, if it may be one.
    pub fn new(text: impl Into<String>) -> Result<Self, InvalidKey> {
        let text = text.into();
        check(&text, text.split('/')).map(|()| Self(text))
    }

    /// A key that was put together by this crate from parts that cannot break the rules.
    pub(crate) fn known(text: impl Into<String>) -> Self {
        let text = text.into();
        debug_assert!(Self::new(text.as_str()).is_ok(), "{text}");
        Self(text)
    }

    /// The whole key.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The names of the folders, outermost first, and the name of the object itself.
    pub(crate) fn split(&self) -> (impl Iterator<Item = &str>, &str) {
        let (folders, name) = self.0.rsplit_once('/').unwrap_or(("", &self.0));
        (folders.split('/').filter(|folder| !folder.is_empty()), name)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// The beginning of some keys: empty, a folder with its slash, or a folder and the beginning of a name.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Prefix(String);

impl Prefix {
    /// Takes a text as a prefix, if keys may begin with it. The empty text is the beginning of all.
    pub fn new(text: impl Into<String>) -> Result<Self, InvalidKey> {
        let text = text.into();
        let whole = text.strip_suffix('/').unwrap_or(&text);
        if text.is_empty() { Ok(Self(text)) } else { check(&text, whole.split('/')).map(|()| Self(text)) }
    }

    /// A prefix that was put together by this crate from parts that cannot break the rules.
    pub(crate) fn known(text: impl Into<String>) -> Self {
        let text = text.into();
        debug_assert!(Self::new(text.as_str()).is_ok(), "{text}");
        Self(text)
    }

    /// The whole prefix.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The folders that it names whole, and the beginning of the name after them.
    pub(crate) fn split(&self) -> (&str, &str) {
        self.0.rfind('/').map_or(("", self.0.as_str()), |slash| self.0.split_at(slash + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// S22: no key leads out of a folder, whatever it is made of.
    #[test]
    fn what_could_lead_out_or_hide_is_not_a_key() {
        for text in ["", "/", "/etc/passwd", "a//b", "a/", "..", "a/../b", ".", ".hidden", "a/.e2d/b", "a\0b", "a\nb"] {
            assert!(Key::new(text).is_err(), "{text:?}");
        }
        assert!(Key::new("n".repeat(201)).is_err() && Key::new("n".repeat(200)).is_ok());
        assert!(Key::new(vec!["n"; 17].join("/")).is_err() && Key::new(vec!["n"; 16].join("/")).is_ok());
        assert!(Key::new(vec!["n".repeat(200); 3].join("/")).is_err());
        assert_eq!(
            Key::new("a/../b").unwrap_err().to_string(),
            r#""a/../b" is not an object key: names do not begin with a dot"#
        );
    }

    #[test]
    fn prefixes_end_anywhere_but_before_a_slash() {
        for text in ["", "a", "a/", "a/b", "etcd.snapshot"] {
            assert!(Prefix::new(text).is_ok(), "{text:?}");
        }
        for text in ["/", "a//", "../", "a/../", ".", "a/."] {
            assert!(Prefix::new(text).is_err(), "{text:?}");
        }
        assert_eq!(Prefix::new("a/b/c").unwrap().split(), ("a/b/", "c"));
        assert_eq!(Prefix::new("a/b/").unwrap().split(), ("a/b/", ""));
        assert_eq!(Prefix::new("abc").unwrap().split(), ("", "abc"));
    }
}
