/** The version of this package. */
export const version: string = "0.2.0";
