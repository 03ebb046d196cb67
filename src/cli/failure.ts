/** What ends the command with a message instead of a stack trace. */

/** Something that the user can mend: exit status 1. */
export class Failure extends Error {}
