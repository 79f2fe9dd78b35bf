"""torchrun with its own rendezvous, on a PyTorch that was built without libuv, as Debian's is."""

from functools import partial
from unittest import mock

from torch.distributed.elastic.rendezvous import c10d_rendezvous_backend as backend
from torch.distributed.run import main

if __name__ == "__main__":
    with mock.patch.object(backend, "TCPStore", partial(backend.TCPStore, use_libuv=False)):
        main()
