//! Structured fields (RFC 9651), as far as caching has them: dictionaries of directives and lists of strings.

use core::convert::Infallible;
use sfv::visitor::{
    DictionaryVisitor, EntryVisitor, Ignored, InnerListVisitor, ItemVisitor, ListVisitor, ParameterVisitor,
};
use sfv::{BareItemFromInput, KeyRef, Parser};

/// The most members that are read: more say nothing at all. RFC 9875 asks for 32.
const MOST_MEMBERS: usize = 256;

/// A member of a dictionary or list.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Integer(i64),
    Boolean(bool),
    String(String),
    Token(String),
    /// Another type, or an inner list.
    Other,
}

/// The members of a dictionary, each name once with what it says last. `None`: it is none.
pub(super) fn dictionary(value: &[u8]) -> Option<Vec<(String, Value)>> {
    let members = Parser::new(value).parse_dictionary_with_visitor(Members::default()).ok()?;
    (members.len() <= MOST_MEMBERS).then_some(members)
}

/// The members of a list of strings. `None`: it is none.
pub(in crate::response_cache) fn strings(value: &[u8]) -> Option<Vec<String>> {
    let Members(members) = Parser::new(value).parse_list_with_visitor(Members::default()).ok()?;
    if members.len() > MOST_MEMBERS {
        return None;
    }
    let text = |(_, value)| if let Value::String(text) = value { Some(text) } else { None };
    members.into_iter().map(text).collect()
}

#[derive(Default)]
struct Members(Vec<(String, Value)>);

impl<'de> DictionaryVisitor<'de> for Members {
    type Out = Vec<(String, Value)>;
    type Error = Infallible;

    fn entry(&mut self, key: &'de KeyRef) -> Result<impl EntryVisitor<'de>, Infallible> {
        // With too many nothing is kept of them, so they need not be told apart.
        if self.0.len() <= MOST_MEMBERS {
            self.0.retain(|(known, _)| known != key.as_str());
        }
        Ok(Entry { members: &mut self.0, name: key.as_str() })
    }

    fn finish(self) -> Result<Self::Out, Infallible> {
        Ok(self.0)
    }
}

impl<'de> ListVisitor<'de> for Members {
    type Out = Self;
    type Error = Infallible;

    fn entry(&mut self) -> Result<impl EntryVisitor<'de>, Infallible> {
        Ok(Entry { members: &mut self.0, name: "" })
    }

    fn finish(self) -> Result<Self, Infallible> {
        Ok(self)
    }
}

struct Entry<'m, 'n> {
    members: &'m mut Vec<(String, Value)>,
    name: &'n str,
}

impl<'de> EntryVisitor<'de> for Entry<'_, '_> {
    type Error = Infallible;

    fn item(self) -> Result<impl ItemVisitor<'de>, Infallible> {
        Ok(self)
    }

    fn inner_list(self) -> Result<impl InnerListVisitor<'de>, Infallible> {
        self.members.push((self.name.to_owned(), Value::Other));
        Ok(Ignored)
    }
}

impl<'de> ItemVisitor<'de> for Entry<'_, '_> {
    type Out = ();
    type Error = Infallible;

    fn bare_item(
        self,
        item: BareItemFromInput<'de>,
    ) -> Result<impl ParameterVisitor<'de, Out = ()>, Infallible> {
        let value = if let Some(number) = item.as_integer() {
            Value::Integer(number.into())
        } else if let Some(truth) = item.as_boolean() {
            Value::Boolean(truth)
        } else if let Some(text) = item.as_string() {
            Value::String(text.as_str().to_owned())
        } else if let Some(token) = item.as_token() {
            Value::Token(token.as_str().to_owned())
        } else {
            Value::Other
        };
        self.members.push((self.name.to_owned(), value));
        Ok(Ignored)
    }
}
