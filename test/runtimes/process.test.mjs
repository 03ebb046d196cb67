import { afterEach, describe, expect, it, vi } from "vitest";
import { timeLimit } from "./process.mjs";

describe("the time limit of a child process", () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  it("passes after as much time as it says", () => {
    vi.useFakeTimers();
    const late = vi.fn();
    timeLimit(1000, late);
    vi.advanceTimersByTime(900);
    expect(late).not.toHaveBeenCalled();
    vi.advanceTimersByTime(200);
    expect(late).toHaveBeenCalledOnce();
    vi.advanceTimersByTime(5000);
    expect(late).toHaveBeenCalledOnce();
  });

  it("does not pass while this process is paused", () => {
    vi.useFakeTimers();
    const late = vi.fn();
    timeLimit(1000, late);
    const clock = vi.spyOn(performance, "now");
    const resumed = performance.now() + 60_000;
    clock.mockReturnValue(resumed);
    vi.advanceTimersByTime(100);
    expect(late).not.toHaveBeenCalled();
    for (let i = 1; i <= 7; i++) {
      clock.mockReturnValue(resumed + 100 * i);
      vi.advanceTimersByTime(100);
    }
    expect(late).not.toHaveBeenCalled();
    clock.mockReturnValue(resumed + 800);
    vi.advanceTimersByTime(100);
    expect(late).toHaveBeenCalledOnce();
    clock.mockRestore();
  });

  it("does not pass once it was stopped", () => {
    vi.useFakeTimers();
    const late = vi.fn();
    timeLimit(1000, late)();
    vi.advanceTimersByTime(5000);
    expect(late).not.toHaveBeenCalled();
  });
});
