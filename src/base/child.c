#include "base/child.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

int child_start(child_work *work, void *context, pid_t *ret, struct error *error)
{
    pid_t parent = getpid(), child = fork();
    if (child < 0)
        return error_set_errno(error, errno, "cannot start a process");
    if (child == 0) {
        bool orphan = prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent;
        _exit(!orphan && work(context) ? 0 : 1);
    }
    *ret = child;
    return OK;
}

bool child_ended(pid_t child, bool wait, bool *ret_fine)
{
    int status = 0;
    pid_t pid;
    do
        pid = waitpid(child, &status, wait ? 0 : WNOHANG);
    while (pid < 0 && errno == EINTR);
    *ret_fine = pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
    return pid != 0;
}
