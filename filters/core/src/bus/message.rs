//! One message as bytes.

use crate::vms::{Member, SLOTS};
use crate::wire::{Reader, Writer};

const VERSION: u8 = 1;

/// A message from one member to another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Message {
    /// Whom it is for.
    pub to: Member,
    /// Who sent it.
    pub from: Member,
    /// Which of its sender's messages it is; for an acknowledgement, which of its receiver's it acknowledges.
    pub id: u64,
    /// What it says.
    pub body: Body,
}

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Body {
    /// Something of the filter's own, to be acknowledged.
    Tell {
        /// What it is about, as the filter numbers it.
        kind: u8,
        /// The rest, as the filter encodes it.
        payload: Vec<u8>,
    },
    /// A message has had its effect.
    Ack,
    /// A permit is free.
    Wake {
        /// Which, as the filter names it.
        permit: Vec<u8>,
    },
}

impl Message {
    /// The message in these bytes, if it is one.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != VERSION {
            return None;
        }
        let (to, from) = (member(&mut reader)?, member(&mut reader)?);
        let id = reader.u64()?;
        let body = match reader.u8()? {
            0 => Body::Tell { kind: reader.u8()?, payload: reader.bytes()?.to_vec() },
            1 => Body::Ack,
            2 => Body::Wake { permit: reader.bytes()?.to_vec() },
            _ => return None,
        };
        reader.end(Self { to, from, id, body })
    }

    /// The message as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::with_capacity(32);
        writer.u8(VERSION);
        for member in [self.to, self.from] {
            writer.u8(member.slot);
            writer.u32(member.epoch);
        }
        writer.u64(self.id);
        match &self.body {
            Body::Tell { kind, payload } => {
                writer.u8(0);
                writer.u8(*kind);
                writer.bytes(payload);
            }
            Body::Ack => writer.u8(1),
            Body::Wake { permit } => {
                writer.u8(2);
                writer.bytes(permit);
            }
        }
        writer.finish()
    }
}

fn member(reader: &mut Reader<'_>) -> Option<Member> {
    let member = Member { slot: reader.u8()?, epoch: reader.u32()? };
    (member.slot < SLOTS).then_some(member)
}
