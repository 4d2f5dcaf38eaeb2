//! Values become types, and an error knows its place.
//!
//! `serde_path_to_error` finds the place for any deserializer by wrapping every visitor, seed and key of every type once
//! more: a seventh of a module's code. Over values that are at hand nothing needs to be wrapped: an error gathers its
//! place on the way out. A structure is an object, never a list of its fields.

use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error, Expected, MapAccess, SeqAccess,
    Unexpected, VariantAccess, Visitor,
};
use serde_json::map::Iter;
use serde_json::{Map, Number, Value};

mod refused;

pub(super) use refused::Refused;

/// Reads `T` out of the value.
pub(super) fn typed<T: DeserializeOwned>(value: &Value) -> Result<T, Refused> {
    T::deserialize(At(value))
}

/// A value, to be read where it stands.
#[derive(Clone, Copy)]
struct At<'a>(&'a Value);

impl<'a> At<'a> {
    fn number<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        match self.0 {
            Value::Number(number) => visit_number(number, visitor),
            other => Err(Refused::wrong_type(other, &visitor)),
        }
    }

    fn boolean<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        match self.0 {
            Value::Bool(value) => visitor.visit_bool(*value),
            other => Err(Refused::wrong_type(other, &visitor)),
        }
    }

    fn text<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        match self.0 {
            Value::String(text) => visitor.visit_str(text),
            other => Err(Refused::wrong_type(other, &visitor)),
        }
    }

    fn nothing<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            other => Err(Refused::wrong_type(other, &visitor)),
        }
    }

    fn list<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        match self.0 {
            Value::Array(values) => visit_list(values, visitor),
            other => Err(Refused::wrong_type(other, &visitor)),
        }
    }

    fn object<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        match self.0 {
            Value::Object(fields) => visit_object(fields, visitor),
            other => Err(Refused::wrong_type(other, &visitor)),
        }
    }
}

fn visit_number<'de, V: Visitor<'de>>(number: &Number, visitor: V) -> Result<V::Value, Refused> {
    match (number.as_u64(), number.as_i64()) {
        (Some(number), _) => visitor.visit_u64(number),
        (None, Some(number)) => visitor.visit_i64(number),
        (None, None) => visitor.visit_f64(number.as_f64().unwrap_or_default()),
    }
}

fn visit_list<'de, V: Visitor<'de>>(values: &[Value], visitor: V) -> Result<V::Value, Refused> {
    let mut list = List { values: values.iter(), next: 0 };
    let read = visitor.visit_seq(&mut list)?;
    match list.values.as_slice() {
        [] => Ok(read),
        _ => Err(Refused::invalid_length(values.len(), &"fewer elements in array")),
    }
}

fn visit_object<'de, V: Visitor<'de>>(fields: &Map<String, Value>, visitor: V) -> Result<V::Value, Refused> {
    let mut object = Object { fields: fields.iter(), field: None };
    let read = visitor.visit_map(&mut object)?;
    match object.fields.len() {
        0 => Ok(read),
        _ => Err(Refused::invalid_length(fields.len(), &"fewer elements in map")),
    }
}

/// Methods that read a value the same way.
macro_rules! read_as {
    ($how:ident: $($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
            self.$how(visitor)
        })*
    };
}

impl<'de> Deserializer<'de> for At<'_> {
    type Error = Refused;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Number(number) => visit_number(number, visitor),
            Value::String(text) => visitor.visit_str(text),
            Value::Array(values) => visit_list(values, visitor),
            Value::Object(fields) => visit_object(fields, visitor),
        }
    }

    read_as!(boolean: deserialize_bool);
    read_as!(number: deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_u8 deserialize_u16
        deserialize_u32 deserialize_u64 deserialize_f32 deserialize_f64);
    read_as!(text: deserialize_char deserialize_str deserialize_string deserialize_bytes deserialize_byte_buf
        deserialize_identifier);
    read_as!(nothing: deserialize_unit);
    read_as!(list: deserialize_seq);
    read_as!(object: deserialize_map);

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        match self.0 {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.nothing(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _length: usize, visitor: V) -> Result<V::Value, Refused> {
        self.list(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _length: usize,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.list(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.object(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        let (name, value) = match self.0 {
            Value::String(name) => (name, None),
            Value::Object(fields) => match (fields.iter().next(), fields.len()) {
                (Some((name, value)), 1) => (name, Some(value)),
                _ => return Err(Refused::invalid_value(Unexpected::Map, &"map with a single key")),
            },
            other => return Err(Refused::wrong_type(other, &"string or map")),
        };
        visitor.visit_enum(Variant { name, value })
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_unit()
    }
}

struct List<'a> {
    values: std::slice::Iter<'a, Value>,
    next: usize,
}

impl<'de> SeqAccess<'de> for List<'_> {
    type Error = Refused;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Refused> {
        let Some(value) = self.values.next() else { return Ok(None) };
        let index = self.next;
        self.next = index.saturating_add(1);
        seed.deserialize(At(value)).map(Some).map_err(|refused| refused.at_index(index))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.values.len())
    }
}

struct Object<'a> {
    fields: Iter<'a>,
    /// Whose name was read last.
    field: Option<(&'a str, &'a Value)>,
}

impl<'de> MapAccess<'de> for Object<'_> {
    type Error = Refused;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Refused> {
        let Some((name, value)) = self.fields.next() else { return Ok(None) };
        self.field = Some((name, value));
        seed.deserialize(Named(name)).map(Some).map_err(|refused| refused.at_name(name))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Refused> {
        let (name, value) = self.field.unwrap_or(("", &Value::Null));
        seed.deserialize(At(value)).map_err(|refused| refused.at_name(name))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.fields.len())
    }
}

/// The name of a field or of a variant.
struct Named<'a>(&'a str);

impl<'de> Deserializer<'de> for Named<'_> {
    type Error = Refused;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_str(self.0)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        visitor.visit_enum(Variant { name: self.0, value: None })
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

/// A variant: its name alone, or the only field of an object.
struct Variant<'a> {
    name: &'a str,
    value: Option<&'a Value>,
}

impl Variant<'_> {
    fn lacks(&self, expected: &dyn Expected) -> Refused {
        Refused::invalid_type(Unexpected::UnitVariant, expected).at_name(self.name)
    }
}

impl<'de> EnumAccess<'de> for Variant<'_> {
    type Error = Refused;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Refused> {
        seed.deserialize(Named(self.name)).map(|which| (which, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_> {
    type Error = Refused;

    fn unit_variant(self) -> Result<(), Refused> {
        match self.value {
            None | Some(Value::Null) => Ok(()),
            Some(other) => Err(Refused::wrong_type(other, &"unit").at_name(self.name)),
        }
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Refused> {
        let Some(value) = self.value else { return Err(self.lacks(&"newtype variant")) };
        seed.deserialize(At(value)).map_err(|refused| refused.at_name(self.name))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _length: usize, visitor: V) -> Result<V::Value, Refused> {
        let Some(value) = self.value else { return Err(self.lacks(&"tuple variant")) };
        At(value).list(visitor).map_err(|refused| refused.at_name(self.name))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        let Some(value) = self.value else { return Err(self.lacks(&"struct variant")) };
        At(value).object(visitor).map_err(|refused| refused.at_name(self.name))
    }
}

#[cfg(test)]
mod tests;
