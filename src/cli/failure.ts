/** Errors that end the command with a message instead of a stack trace. */

/** An error that the user can fix: exit status 1. */
export class Failure extends Error {}
