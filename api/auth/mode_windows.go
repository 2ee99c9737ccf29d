package auth

// ownModes reports whether the modes of files say who may read them.
const ownModes = false
