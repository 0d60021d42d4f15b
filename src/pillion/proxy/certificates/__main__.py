import sys

from pillion.proxy.certificates.exchange import answer

sys.stdout.buffer.write(answer(sys.stdin.buffer.read()))
