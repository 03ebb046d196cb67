"use client";
// A page of Next.js: the reader's own browser quantizes.
import { createBytelane, quantize } from "bytelane";
import { useEffect, useState } from "react";

export default function Page() {
  const [text, setText] = useState("…");
  useEffect(() => {
    let instance;
    createBytelane().then((made) => {
      instance = made;
      const values = quantize(instance, Float32Array.of(-1, 0.5, 3), { scale: 1 / 64 });
      setText(values.join(" "));
    });
    return () => instance?.dispose();
  }, []);
  return <output>{text}</output>;
}
