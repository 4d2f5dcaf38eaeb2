//! A request, read once.

use super::directives::Directives;
use super::fields::{Fields, trim};
use super::guard::{self, Bypass};

/// What the rules need of a request.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// All field lines, with the pseudo headers.
    pub fields: Fields<'a>,
    /// `:method`.
    pub method: &'a [u8],
    /// `:scheme`.
    pub scheme: Option<&'a [u8]>,
    /// `:authority`.
    pub authority: Option<&'a [u8]>,
    /// `:path`.
    pub path: Option<&'a [u8]>,
    /// Its directives; none if they are not honoured.
    pub directives: Directives,
    /// Whether it carries `Authorization`.
    pub has_authorization: bool,
    /// Whether there are fields that ask for less than the whole answer: `If-None-Match`, `If-Modified-Since` or `Range`.
    pub is_conditional: bool,
    /// Whether fields ask for another target than the request's own: they are part of the key.
    pub has_target_override: bool,
    /// Why the cache has no part in it, whatever is stored.
    pub bypass: Option<Bypass>,
}

/// What was read of a request, without its fields: for reading it again, and for judging its answer.
#[derive(Clone, Debug)]
pub struct Seen {
    pub(super) method: Method,
    pub(super) directives: Directives,
    pub(super) has_authorization: bool,
    is_conditional: bool,
    has_target_override: bool,
    pub(super) bypass: Option<Bypass>,
}

/// The methods whose answers may be stored, and the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    Post,
    Other,
}

impl<'a> Request<'a> {
    /// What was read of it.
    pub fn seen(&self) -> Seen {
        self.clone().into_seen()
    }

    /// What was read of it, of which nothing else is needed any more.
    pub fn into_seen(self) -> Seen {
        let Self { directives, has_authorization, is_conditional, has_target_override, bypass, .. } = self;
        let method = match self.method {
            b"GET" => Method::Get,
            b"POST" => Method::Post,
            _ => Method::Other,
        };
        Seen { method, directives, has_authorization, is_conditional, has_target_override, bypass }
    }

    /// The same request, whose fields these are again.
    pub fn seen_before(fields: Fields<'a>, seen: &Seen) -> Self {
        let Seen { has_authorization, is_conditional, has_target_override, bypass, .. } = *seen;
        let (method, directives) = (fields.get(":method").unwrap_or_default(), seen.directives.clone());
        let (scheme, authority, path) =
            (fields.get(":scheme"), fields.get(":authority"), fields.get(":path"));
        Self {
            fields,
            method,
            scheme,
            authority,
            path,
            directives,
            has_authorization,
            is_conditional,
            has_target_override,
            bypass,
        }
    }

    /// Reads a request in one pass over its fields. `has_body`: whether content follows its head.
    pub fn read(fields: Fields<'a>, has_body: bool, honours_directives: bool) -> Self {
        let mut request = Self {
            fields,
            method: b"",
            scheme: None,
            authority: None,
            path: None,
            directives: Directives::default(),
            has_authorization: false,
            is_conditional: false,
            has_target_override: false,
            bypass: None,
        };
        let (mut has_cache_control, mut says_pragma_no_cache, mut is_looked_at) = (false, false, false);
        for (name, value) in fields.iter() {
            match name {
                // Of each there is one.
                b":method" if request.method.is_empty() => request.method = value,
                b":scheme" if request.scheme.is_none() => request.scheme = Some(value),
                b":authority" if request.authority.is_none() => request.authority = Some(value),
                b":path" if request.path.is_none() => request.path = Some(value),
                b"authorization" => request.has_authorization = true,
                b"if-none-match" | b"if-modified-since" | b"range" => request.is_conditional = true,
                b"cache-control" => has_cache_control = true,
                b"pragma" => says_pragma_no_cache |= trim(value).eq_ignore_ascii_case(b"no-cache"),
                // Every proxy says it; it asks for something else only if it contradicts.
                b"x-forwarded-proto" if Some(value) == request.scheme.or_else(|| fields.get(":scheme")) => {}
                _ => {
                    is_looked_at |= guard::is_looked_at(name);
                    request.has_target_override |= guard::is_target_override(name);
                }
            }
        }
        if honours_directives {
            if has_cache_control {
                request.directives = Directives::parse(fields.all("cache-control"));
            } else if says_pragma_no_cache {
                // RFC 9111, section 5.4: it counts where there is no `Cache-Control`.
                request.directives.no_cache = super::Scope::Whole;
            }
        }
        request.bypass = guard::bypass(&request, is_looked_at, has_body);
        request
    }

    /// Whether it is a GET.
    pub fn is_get(&self) -> bool {
        self.method == b"GET"
    }

    /// Whether it is a HEAD.
    pub fn is_head(&self) -> bool {
        self.method == b"HEAD"
    }
}
