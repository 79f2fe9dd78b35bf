import sys; sys.path.insert(0,'/src/bench')
import scaling, tempfile, json
from pathlib import Path
from nerf_trainer.scenes.demo import generate
scaling.MODELS={"full":{"model":{"type":"mlp"},"training":{"raysPerBatch":128,"samplesPerRay":64,"shards":2}},
"half":{"model":{"type":"mlp"},"training":{"raysPerBatch":64,"samplesPerRay":64,"shards":1}}}
with tempfile.TemporaryDirectory() as f:
    s=Path(f)/'scene'; generate(s,photos=12,width=128)
    for n in scaling.MODELS:
        m=scaling.Measured(Path(f),s,n)
        m._run("one",(1,)); print(m._phases)
        m._run("strangers",(1,1)); print(m._phases['strangers'])
