/** The most dimensions whose sums fit the kernels' integers. */
export const MOST_DIMENSIONS = 32768;
