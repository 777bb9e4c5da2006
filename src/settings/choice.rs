//! Settings whose values are one of several names.

/// An enumeration that the macro `choices!` has made.
pub trait Choice: Copy + PartialEq + 'static {
    /// All variants: names, help texts and values.
    const ALL: &'static [(&'static str, &'static str, Self)];
}

/// Reads the name of a choice.
pub(super) fn read<T: Choice>(text: &str) -> Result<T, String> {
    let found = T::ALL.iter().find(|(name, ..)| *name == text);
    found.map(|&(.., value)| value).ok_or_else(|| format!("`{text}` is none of the choices"))
}

/// Returns the name of a choice.
pub(super) fn show<T: Choice>(value: &T) -> String {
    T::ALL.iter().find(|(.., other)| other == value).map_or_else(String::new, |&(name, ..)| name.into())
}
