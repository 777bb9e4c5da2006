//! The kinds of settings: their form as text, on the command line, in the environment and in the file.

use std::fmt::Display;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::choice::{self, Choice};
use super::text;

/// A setting of the configuration `C`.
#[derive(Debug)]
pub struct Setting<C> {
    /// The name of the setting on the command line and in the file.
    pub name: &'static str,
    /// The help text, from the doc comment.
    pub help: &'static str,
    /// The form of its values.
    pub form: Form,
    /// Returns the value in a configuration as text; `None` if there is none.
    pub show: fn(&C) -> Option<String>,
    /// Sets the setting to the given values. The error says what to write instead.
    pub read: fn(&mut C, &[&str]) -> Result<(), String>,
}

/// The form of a setting's values.
#[derive(Debug, Clone, Copy)]
pub struct Form {
    /// The placeholder for the value in documentation; empty if there are `choices`.
    pub placeholder: &'static str,
    /// Whether the setting is a list, of at least one value.
    pub is_list: bool,
    /// Returns the names to choose from, each with its help text.
    pub choices: fn() -> Vec<(&'static str, &'static str)>,
}

/// How values of the type `T` are read and written.
#[derive(Debug)]
pub struct Kind<T> {
    /// The form of the values.
    pub form: Form,
    read: fn(&[&str]) -> Result<T, String>,
    show: fn(&T) -> String,
}

impl<T> Kind<T> {
    /// Reads a value.
    ///
    /// # Errors
    /// What to write instead.
    pub fn read(&self, texts: &[&str]) -> Result<T, String> {
        (self.read)(texts)
    }

    /// Returns a value as text, if there is one.
    pub fn show<'a>(&self, value: impl Into<Option<&'a T>>) -> Option<String>
    where
        T: 'a,
    {
        value.into().map(self.show).filter(|text| !text.is_empty())
    }
}

/// Makes a kind with one value: of several texts the last counts.
macro_rules! one {
    ($placeholder:expr, $read:expr, $show:expr) => {
        Kind {
            form: Form { placeholder: $placeholder, is_list: false, choices: Vec::new },
            read: |texts| $read(texts.last().copied().unwrap_or_default()),
            show: $show,
        }
    };
}

/// A size in bytes such as `65536`, `64KiB` or `1MB`.
pub const SIZE: Kind<usize> = one!("SIZE", text::size, text::show_size);
/// A count such as `1000000`, `1_000_000`, `200k` or `1M`.
pub const COUNT: Kind<usize> = one!("N", text::count, text::show_count);
/// A time such as `30s`, `1500ms` or `2m`.
pub const TIME: Kind<Duration> = one!("TIME", text::time, text::show_time);
/// A time of at most an hour.
pub const TIME_TO_RETURN: Kind<Duration> = one!("TIME", text::time_to_return, text::show_time);
/// A time, or `off`.
pub const TIME_OR_OFF: Kind<Option<Duration>> = one!("TIME", text::time_or_off, text::show_time_or_off);
/// A numeric TCP address, or `off`.
pub const ADDRESS_OR_OFF: Kind<Option<SocketAddr>> =
    one!("IP:PORT", text::address_or_off, text::show_address_or_off);
/// A path of a file.
pub const PATH: Kind<PathBuf> = one!("PATH", text::path, |path| path.display().to_string());
/// Permissions such as `0660`.
pub const MODE: Kind<u32> = one!("MODE", text::mode, |mode| format!("{mode:04o}"));
/// A group by its name or its number.
pub const GROUP: Kind<u32> = one!("GROUP", text::group, u32::to_string);

/// A count of a smaller type.
#[must_use]
pub const fn small_count<T: TryFrom<usize> + Display>(placeholder: &'static str) -> Kind<T> {
    one!(placeholder, text::small_count, T::to_string)
}

/// A value of a type with `FromStr` and `Display`.
#[must_use]
pub const fn parsed<T: FromStr<Err: Display> + Display>(placeholder: &'static str) -> Kind<T> {
    one!(placeholder, text::parsed, T::to_string)
}

/// Values of a type with `FromStr` and `Display`.
#[must_use]
pub const fn list_of<T: FromStr<Err: Display> + Display>(placeholder: &'static str) -> Kind<Vec<T>> {
    Kind {
        form: Form { placeholder, is_list: true, choices: Vec::new },
        read: |texts| texts.iter().map(|text| text::parsed(text)).collect(),
        show: |values| values.iter().map(T::to_string).collect::<Vec<_>>().join(","),
    }
}

/// One of several names.
#[must_use]
pub const fn choice<T: Choice>() -> Kind<T> {
    let choices = || T::ALL.iter().map(|&(name, text, _)| (name, text)).collect();
    let kind = one!("", choice::read, choice::show);
    Kind { form: Form { choices, ..kind.form }, ..kind }
}
