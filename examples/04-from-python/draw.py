"""Draw pictures of sentences from Python: the same seed gives the same picture, here and on the command line."""

import sys

from stackgan_cli import Pipeline

pipe = Pipeline.from_pretrained("bundled")
drawn = pipe(["a small red bird", "a large blue bird with black wings"], num_images_per_prompt=3, seed=0)
for path in drawn.save(sys.argv[1]):
    print(path)
print(f"Stage-I {drawn.stage1_images[0].size}, Stage-II {drawn.images[0].size}")
