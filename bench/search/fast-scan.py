"""FAISS FastScan, 1 bit per dimension: milliseconds per query on one thread, as JSON."""
import json
import sys
import time

import faiss
import numpy as np

path, dimensions = sys.argv[1], int(sys.argv[2])
faiss.omp_set_num_threads(1)
vectors = np.fromfile(path, dtype="float32").reshape(-1, dimensions)
# a code of 4 bits per 4 dimensions
index = faiss.IndexPQFastScan(dimensions, dimensions // 4, 4, faiss.METRIC_INNER_PRODUCT)
index.train(vectors[:4096])
index.add(vectors)
query = vectors[5:6].copy()
times = []
for _ in range(50):
    start = time.perf_counter()
    index.search(query, 240)
    times.append((time.perf_counter() - start) * 1000)
options = faiss.__version__ + " " + faiss.get_compile_options().strip()
print(json.dumps({"milliseconds": min(times), "options": options}))
