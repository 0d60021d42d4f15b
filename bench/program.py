"""What the containers run: a static program that starts in a millisecond, so that the figures are pillion's own.

wait          waits for SIGTERM
wait PORT     answers every request on PORT with 200, until SIGTERM
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

NAME = "wait"
IMAGE = "pillion-bench"
"""What the pods ask for; `--image pillion-bench=FOLDER` gives it."""

_SOURCE = r"""
#include <arpa/inet.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void end(int number) { (void)number; _exit(0); }

int main(int count, char **words) {
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    char request[4096];
    signal(SIGTERM, end); /* process 1 has no default action */
    if (count < 2)
        for (;;) pause();
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(atoi(words[1]))};
    int yes = 1, server = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(server, (struct sockaddr *)&at, sizeof at) || listen(server, 16)) return 1;
    for (;;) {
        int client = accept(server, 0, 0);
        if (client < 0) continue;
        if (read(client, request, sizeof request) > 0 && write(client, answer, sizeof answer - 1) < 0) return 1;
        close(client);
    }
}
"""

_SHELL = "#!/bin/sh\ntrap 'exit 0' TERM\nwhile :; do sleep 86400 & wait; done\n"
"""Without a compiler: as good for everything but probes."""


def make_image(folder: Path) -> bool:
    """Make `folder` a host image with the program in it. False: there is no compiler, and the program has no PORT."""
    folder.mkdir(parents=True)
    (folder / "pillion-image.yaml").write_text(f'from: host\nentrypoint: ["/app/{NAME}"]\n')
    program = folder / NAME
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        program.write_text(_SHELL)
        program.chmod(0o755)
        return False
    source = folder / "wait.c"
    source.write_text(_SOURCE)
    subprocess.run((compiler, "-static", "-Os", "-o", str(program), str(source)), check=True)
    return True
