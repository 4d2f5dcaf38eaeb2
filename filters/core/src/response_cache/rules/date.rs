//! Dates (RFC 9110, section 5.6.7).
//!
//! # Why
//!
//! What is a date decides what is fresh, so exactly the three forms of the grammar are read, and nothing that only looks
//! like one. The year of two digits depends on when it is read, which no library at hand takes as an argument; the tests
//! hold this reader against one for everything else.

/// Days before each month of a year that is no leap year.
const BEFORE_MONTH: [u16; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
const MONTHS: [&[u8; 3]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
/// 1970-01-01 was the fourth day of a week that begins on Monday.
const EPOCH_DAY_OF_WEEK: i64 = 3;
const SECONDS_OF_DAY: i64 = 86_400;
/// About: only the century hangs on it.
const SECONDS_OF_YEAR: i64 = 31_556_952;

/// Seconds since the Unix epoch, negative before it. `now_seconds` settles the century of a year of two digits: what
/// appears to be more than 50 years ahead is past. `None`: not a date; a wrong day of the week is none.
pub fn parse_date(text: &[u8], now_seconds: i64) -> Option<i64> {
    let text = super::fields::trim(text);
    imf_fixdate(text).or_else(|| rfc850(text, now_seconds)).or_else(|| asctime(text))
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`
fn imf_fixdate(text: &[u8]) -> Option<i64> {
    let (name, rest) = (text.get(..3)?, text.get(3..)?.strip_prefix(b", ")?);
    let [
        d1,
        d2,
        b' ',
        m @ ..,
        b' ',
        y1,
        y2,
        y3,
        y4,
        b' ',
        _,
        _,
        b':',
        _,
        _,
        b':',
        _,
        _,
        b' ',
        b'G',
        b'M',
        b'T',
    ] = rest
    else {
        return None;
    };
    let year = number(&[*y1, *y2, *y3, *y4])?;
    let days = days(year, month(m)?, number(&[*d1, *d2])?)?;
    let time = rest.get(rest.len().checked_sub(12)?..rest.len().checked_sub(4)?)?;
    at(days, short_day(name)?, time)
}

/// `Sunday, 06-Nov-94 08:49:37 GMT`
fn rfc850(text: &[u8], now_seconds: i64) -> Option<i64> {
    let comma = text.iter().position(|byte| *byte == b',')?;
    let (name, rest) = (text.get(..comma)?, text.get(comma..)?.strip_prefix(b", ")?);
    let [d1, d2, b'-', m1, m2, m3, b'-', y1, y2, b' ', time @ .., b' ', b'G', b'M', b'T'] = rest else {
        return None;
    };
    let (month, day) = (month(&[*m1, *m2, *m3])?, number(&[*d1, *d2])?);
    let weekday = DAYS.iter().position(|known| known.as_bytes() == name)?;
    let this_year = 1970 + now_seconds.div_euclid(SECONDS_OF_YEAR);
    let century = this_year - this_year.rem_euclid(100);
    let in_century = |century: i64| {
        let days = days(century + number(&[*y1, *y2])?, month, day)?;
        // The time of day does not matter for the choice, the day of the week does for the date.
        Some((days, days.saturating_mul(SECONDS_OF_DAY).saturating_add(clock(time)?)))
    };
    // The latest century that does not put it more than 50 years ahead.
    let is_near = |(_, seconds): &(i64, i64)| seconds.saturating_sub(now_seconds) <= 50 * SECONDS_OF_YEAR;
    let centuries = [century + 100, century, century - 100];
    let (days, _) = centuries.into_iter().filter_map(in_century).find(is_near)?;
    at(days, weekday, time)
}

/// `Sun Nov  6 08:49:37 1994`
fn asctime(text: &[u8]) -> Option<i64> {
    let [w1, w2, w3, b' ', m1, m2, m3, b' ', d1, d2, b' ', time @ .., b' ', y1, y2, y3, y4] = text else {
        return None;
    };
    let day = if *d1 == b' ' { number(&[*d2])? } else { number(&[*d1, *d2])? };
    let year = number(&[*y1, *y2, *y3, *y4])?;
    at(days(year, month(&[*m1, *m2, *m3])?, day)?, short_day(&[*w1, *w2, *w3])?, time)
}

fn short_day(name: &[u8]) -> Option<usize> {
    DAYS.iter().position(|day| day.as_bytes().get(..3) == Some(name))
}

fn month(name: &[u8]) -> Option<usize> {
    MONTHS.iter().position(|month| month.as_slice() == name)
}

fn number(text: &[u8]) -> Option<i64> {
    super::fields::digits(text).and_then(|number| i64::try_from(number).ok())
}

/// Days from the epoch to a day of the Gregorian calendar; `None` if there is no such day. `month`: from 0.
fn days(year: i64, month: usize, day: i64) -> Option<i64> {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let before = |month: usize| {
        let leap = i64::from(is_leap && month >= 2);
        BEFORE_MONTH.get(month).map(|days| i64::from(*days) + leap)
    };
    let (first, next) = (before(month)?, before(month + 1).unwrap_or(365 + i64::from(is_leap)));
    if day < 1 || day > next - first {
        return None;
    }
    let past = year - 1;
    let leap_days = past.div_euclid(4) - past.div_euclid(100) + past.div_euclid(400);
    // 719,162 days lie between 1 January of year 1 and the epoch.
    Some(past * 365 + leap_days - 719_162 + first + day - 1)
}

/// The seconds of a day that has this name at a time of day.
fn at(days: i64, weekday: usize, time: &[u8]) -> Option<i64> {
    let is_day = i64::try_from(weekday).ok()? == (days + EPOCH_DAY_OF_WEEK).rem_euclid(7);
    is_day.then_some(days * SECONDS_OF_DAY + clock(time)?)
}

/// `08:49:37`; a leap second counts as the one after it.
fn clock(time: &[u8]) -> Option<i64> {
    let [h1, h2, b':', m1, m2, b':', s1, s2] = time else { return None };
    let (hour, minute, second) = (number(&[*h1, *h2])?, number(&[*m1, *m2])?, number(&[*s1, *s2])?);
    (hour < 24 && minute < 60 && second <= 60).then_some(hour * 3_600 + minute * 60 + second)
}

/// The form that is sent: `Sun, 06 Nov 1994 08:49:37 GMT`.
pub fn format_date(seconds: i64) -> String {
    String::from_utf8_lossy(&date_bytes(seconds)).into_owned()
}

/// The same as bytes.
pub(super) fn date_bytes(seconds: i64) -> [u8; 29] {
    let (days, time) = (seconds.div_euclid(SECONDS_OF_DAY), seconds.rem_euclid(SECONDS_OF_DAY));
    // The calendar of years that begin in March: a leap day is then the last of its year, and of 400 years.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = (march_month + 2) % 12;
    let year = era * 400 + year_of_era + i64::from(month < 2);
    let weekday = usize::try_from((days + EPOCH_DAY_OF_WEEK).rem_euclid(7)).ok();
    let weekday = weekday.and_then(|day| DAYS.get(day)?.as_bytes().first_chunk()).unwrap_or(b"   ");
    let month = usize::try_from(month).ok().and_then(|month| MONTHS.get(month)).copied().unwrap_or(b"   ");
    // Each answer that is stored without a date gets one: in place this takes a tenth of what `format!` does.
    let ([w1, w2, w3], [d1, d2], [m1, m2, m3]) = (*weekday, two(day), *month);
    // The form has four digits for the year, and no clock goes further.
    let ([y1, y2], [y3, y4]) = (two(year / 100), two(year));
    let ([h1, h2], [n1, n2], [s1, s2]) = (two(time / 3_600), two(time / 60 % 60), two(time % 60));
    [
        w1, w2, w3, b',', b' ', d1, d2, b' ', m1, m2, m3, b' ', y1, y2, y3, y4, b' ', h1, h2, b':', n1, n2,
        b':', s1, s2, b' ', b'G', b'M', b'T',
    ]
}

/// The last two digits of a number.
fn two(number: i64) -> [u8; 2] {
    let number = u8::try_from(number % 100).unwrap_or(0);
    [b'0' + number / 10, b'0' + number % 10]
}

#[cfg(test)]
mod tests;
