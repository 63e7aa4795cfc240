"""Images from files, bytes, PIL and arrays, as arrays of 8-bit colours."""
