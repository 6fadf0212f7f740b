//! Distinguished names: who a certificate is about, and who issued it.
//!
//! One type serves for the names that are wanted and the names that are found, so that they can be
//! compared. It compares text, not encodings; where bytes matter (a certificate must name its issuer
//! exactly as the issuer names itself), [`crate::Authority`] sees to it.

use rcgen::string::PrintableString;
use rcgen::{DistinguishedName, DnType, DnValue};
use serde::{Serialize, Serializer};
use std::fmt;
use x509_parser::asn1_rs::Oid;
use x509_parser::oid_registry;
use x509_parser::x509::X509Name;

/// The longest value of an attribute, in characters (`ub-common-name` and others of RFC 5280,
/// appendix A.1; localities and states may have 128, which nobody needs).
pub const LONGEST_VALUE: usize = 64;

/// The kind of an attribute. Others than these few are shown by their number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attribute {
    /// `C`: two letters.
    Country,
    /// `ST`.
    State,
    /// `L`.
    Locality,
    /// `O`: the role on the admin interface, the groups of a Kubernetes user.
    Organization,
    /// `OU`.
    OrganizationalUnit,
    /// `CN`: the user of Kubernetes.
    CommonName,
    /// Another one, by its object identifier.
    Other(String),
}

impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Country => "C",
            Self::State => "ST",
            Self::Locality => "L",
            Self::Organization => "O",
            Self::OrganizationalUnit => "OU",
            Self::CommonName => "CN",
            Self::Other(oid) => oid,
        })
    }
}

/// A distinguished name: attributes in their order.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Name(Vec<(Attribute, String)>);

/// Why no certificate can bear a name. Nothing was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Empty, longer than [`LONGEST_VALUE`], or with control characters.
    #[error("{attribute}={value:?}: 1 to {LONGEST_VALUE} characters are allowed, and no control characters")]
    Value {
        /// Which attribute.
        attribute: String,
        /// Its value.
        value: String,
    },
    /// Not two capital letters.
    #[error("C={0:?}: a country is two capital letters")]
    Country(String),
    /// The library that writes certificates takes each attribute once.
    #[error("{0} is given twice")]
    Twice(String),
    /// The library that writes certificates does not know it.
    #[error("{0} is not an attribute that is written here")]
    Unknown(String),
}

impl Name {
    /// A name of a `CN` alone.
    #[must_use]
    pub fn new(common_name: &str) -> Self {
        Self(vec![(Attribute::CommonName, common_name.into())])
    }

    /// Puts an attribute before the `CN`, which comes last by custom.
    #[must_use]
    pub fn with(mut self, attribute: Attribute, value: &str) -> Self {
        let before_common_name = self.0.len().saturating_sub(1);
        self.0.insert(before_common_name, (attribute, value.into()));
        self
    }

    /// All values of one attribute.
    pub fn all(&self, attribute: &Attribute) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(kind, _)| kind == attribute).map(|(_, value)| value.as_str())
    }

    /// The `CN`, or nothing.
    #[must_use]
    pub fn common_name(&self) -> &str {
        self.all(&Attribute::CommonName).next().unwrap_or_default()
    }

    /// The form in which it is written: text as UTF-8, the country as RFC 5280 wants it.
    pub(crate) fn to_rcgen(&self) -> Result<DistinguishedName, NameError> {
        let mut written = DistinguishedName::new();
        for (attribute, value) in &self.0 {
            let kind = match attribute {
                Attribute::Country => DnType::CountryName,
                Attribute::State => DnType::StateOrProvinceName,
                Attribute::Locality => DnType::LocalityName,
                Attribute::Organization => DnType::OrganizationName,
                Attribute::OrganizationalUnit => DnType::OrganizationalUnitName,
                Attribute::CommonName => DnType::CommonName,
                Attribute::Other(oid) => return Err(NameError::Unknown(oid.clone())),
            };
            if value.is_empty() || value.chars().count() > LONGEST_VALUE || value.chars().any(char::is_control) {
                return Err(NameError::Value { attribute: attribute.to_string(), value: value.clone() });
            }
            if written.get(&kind).is_some() {
                return Err(NameError::Twice(attribute.to_string()));
            }
            let wrong_country = || NameError::Country(value.clone());
            let value = if *attribute == Attribute::Country {
                if value.len() != 2 || !value.bytes().all(|byte| byte.is_ascii_uppercase()) {
                    return Err(wrong_country());
                }
                DnValue::PrintableString(PrintableString::try_from(value.as_str()).map_err(|_| wrong_country())?)
            } else {
                DnValue::Utf8String(value.clone())
            };
            written.push(kind, value);
        }
        Ok(written)
    }

    /// What a certificate holds. Values that are not text are shown as their bytes in hex.
    pub(crate) fn of(name: &X509Name<'_>) -> Self {
        let attributes = name.iter_attributes().map(|attribute| {
            let value = attribute.as_str().map_or_else(
                |_| attribute.as_slice().iter().fold(String::from("#"), |text, byte| text + &format!("{byte:02x}")),
                str::to_owned,
            );
            (kind(attribute.attr_type()), value)
        });
        Self(attributes.collect())
    }
}

fn kind(oid: &Oid<'_>) -> Attribute {
    [
        (oid_registry::OID_X509_COUNTRY_NAME, Attribute::Country),
        (oid_registry::OID_X509_STATE_OR_PROVINCE_NAME, Attribute::State),
        (oid_registry::OID_X509_LOCALITY_NAME, Attribute::Locality),
        (oid_registry::OID_X509_ORGANIZATION_NAME, Attribute::Organization),
        (oid_registry::OID_X509_ORGANIZATIONAL_UNIT, Attribute::OrganizationalUnit),
        (oid_registry::OID_X509_COMMON_NAME, Attribute::CommonName),
    ]
    .into_iter()
    .find_map(|(known, kind)| (known == *oid).then_some(kind))
    .unwrap_or_else(|| Attribute::Other(oid.to_id_string()))
}

/// As RFC 4514 writes it, but in the order of the certificate: `C=US, O=etcd, CN=etcd server`. What
/// would end a value, or confuse a terminal, is escaped.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (attribute, value)) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{attribute}=")?;
            for character in value.chars() {
                match character {
                    ',' | '+' | '\\' | '"' | '=' | '<' | '>' | ';' => write!(f, "\\{character}")?,
                    // Marks that turn the direction of writing are not control characters.
                    _ if character.is_control()
                        || matches!(character, '\u{200e}'..='\u{202e}' | '\u{2066}'..='\u{2069}') =>
                    {
                        write!(f, "{}", character.escape_unicode())?;
                    }
                    _ => write!(f, "{character}")?,
                }
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Name({self})")
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_common_name_comes_last() {
        let name = Name::new("etcd server").with(Attribute::Country, "US").with(Attribute::Organization, "etcd");
        assert_eq!(name.to_string(), "C=US, O=etcd, CN=etcd server");
        assert_eq!(name.common_name(), "etcd server");
        assert_eq!(name.all(&Attribute::Organization).collect::<Vec<_>>(), ["etcd"]);
    }

    #[test]
    fn a_name_cannot_be_read_as_another() {
        let name = Name::new("a, O=e2d:operate\u{1b}[2J\u{202e}");
        assert_eq!(name.to_string(), r"CN=a\, O\=e2d:operate\u{1b}[2J\u{202e}");
    }

    #[test]
    fn what_cannot_be_written_is_refused() {
        let error = |name: Name| name.to_rcgen().unwrap_err().to_string();
        let long = "x".repeat(65);
        assert!(error(Name::new(&long)).ends_with("1 to 64 characters are allowed, and no control characters"));
        assert!(error(Name::new("")).starts_with("CN=\"\":"));
        assert!(error(Name::new("a\nb")).starts_with("CN=\"a\\nb\":"));
        let country = Name::new("x").with(Attribute::Country, "usa");
        assert_eq!(error(country), "C=\"usa\": a country is two capital letters");
        let twice = Name::new("x").with(Attribute::Organization, "a").with(Attribute::Organization, "b");
        assert_eq!(error(twice), "O is given twice");
        let other = Name::new("x").with(Attribute::Other("1.2.3".into()), "a");
        assert_eq!(error(other), "1.2.3 is not an attribute that is written here");
    }
}
