//! Orders and answers as bytes.

use crate::time::MonoTime;
use crate::vms::{Member, SLOTS};
use crate::wire::{Reader, Writer};

/// No message of the [bus](crate::bus), which shares the queue, begins with this.
const VERSION: u8 = 0x81;

/// Where answers go: the members of one filter and namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// The filter.
    pub filter: String,
    /// The namespace.
    pub namespace: String,
}

/// What is to be done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Order {
    /// What, as the filter calls it.
    pub name: String,
    /// The rule that it is about; empty if it is about the whole filter.
    pub rule: String,
    /// Who has ordered it: the name of a credential, never the credential.
    pub who: String,
    /// A JSON object with the rest, or nothing.
    pub arguments: Vec<u8>,
}

/// Why an order was not executed, for the operator.
pub type Refusal = String;

/// What one member has said.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Answer {
    /// Who.
    pub by: Member,
    /// Whether it was the one that was to do what is done once.
    pub leads: bool,
    /// A JSON object, or why it was refused.
    pub result: Result<Vec<u8>, Refusal>,
}

/// An order or an answer on its way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Parcel {
    /// Whom it is for.
    pub to: Member,
    /// Who sent it.
    pub from: Member,
    /// Which of its sender's orders it is; of an answer, which of its receiver's it answers.
    pub id: u64,
    /// What it is.
    pub body: Body,
}

/// What a parcel is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Body {
    /// An order.
    Order {
        /// What is to be done.
        order: Order,
        /// Whether the receiver does what is done once for all.
        leads: bool,
        /// When it was given. Of two that contradict each other the later counts.
        issued: MonoTime,
        /// Where the answer goes.
        reply_to: Address,
    },
    /// An answer.
    Answer(Result<Vec<u8>, Refusal>),
}

impl Parcel {
    /// Whether these bytes are meant to be a parcel and no message of the bus.
    pub fn is_one(bytes: &[u8]) -> bool {
        bytes.first() == Some(&VERSION)
    }

    /// The parcel in these bytes, if it is one.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != VERSION {
            return None;
        }
        let (to, from) = (member(&mut reader)?, member(&mut reader)?);
        let id = reader.u64()?;
        let body = match reader.u8()? {
            0 => {
                let leads = match reader.u8()? {
                    0 => false,
                    1 => true,
                    _ => return None,
                };
                let issued = MonoTime::from_nanos(reader.u64()?);
                let reply_to = Address { filter: text(&mut reader)?, namespace: text(&mut reader)? };
                let (name, rule) = (text(&mut reader)?, text(&mut reader)?);
                let (who, arguments) = (text(&mut reader)?, reader.bytes()?.to_vec());
                Body::Order { order: Order { name, rule, who, arguments }, leads, issued, reply_to }
            }
            1 => Body::Answer(Ok(reader.bytes()?.to_vec())),
            2 => Body::Answer(Err(text(&mut reader)?)),
            _ => return None,
        };
        reader.end(Self { to, from, id, body })
    }

    /// The parcel as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::with_capacity(128);
        writer.u8(VERSION);
        for member in [self.to, self.from] {
            writer.u8(member.slot);
            writer.u32(member.epoch);
        }
        writer.u64(self.id);
        match &self.body {
            Body::Order { order, leads, issued, reply_to } => {
                writer.u8(0);
                writer.u8((*leads).into());
                writer.u64(issued.as_nanos());
                for text in [&reply_to.filter, &reply_to.namespace, &order.name, &order.rule, &order.who] {
                    writer.bytes(text.as_bytes());
                }
                writer.bytes(&order.arguments);
            }
            Body::Answer(Ok(json)) => {
                writer.u8(1);
                writer.bytes(json);
            }
            Body::Answer(Err(reason)) => {
                writer.u8(2);
                writer.bytes(reason.as_bytes());
            }
        }
        writer.finish()
    }
}

fn member(reader: &mut Reader<'_>) -> Option<Member> {
    let member = Member { slot: reader.u8()?, epoch: reader.u32()? };
    (member.slot < SLOTS).then_some(member)
}

fn text(reader: &mut Reader<'_>) -> Option<String> {
    core::str::from_utf8(reader.bytes()?).ok().map(str::to_owned)
}
