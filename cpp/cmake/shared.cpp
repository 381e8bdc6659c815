// The shared library is the static one, whole; a target needs a source of its own.
