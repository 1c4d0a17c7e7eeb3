"""Git objects, refs, trees and files. The only package that imports dulwich.

* :mod:`.objects`: the object store, its interface and two implementations; :mod:`.pack` writes packs.
* :mod:`.trees`: reading, comparing and editing trees. Pure but for the store.
* :mod:`.commits`, :mod:`.formats`: what commits say; which repository formats are refused.
* :mod:`.git`: one Git repository on disk: format, head, commits, compare-and-swap of a branch.
* :mod:`.revisions`: the commits that words such as ``main~2`` stand for.
* :mod:`.locks`: the lock of cmgit and the lock files of Git, both safe against ``kill -9``.
* :mod:`.worktree`, :mod:`.gitindex`: the files of a person, and Git's index of them.
* :mod:`.status`: what is pending, as ``git add --all`` would stage it.
* :mod:`.journal`, :mod:`.operations`: files, index and branch changed as one, whatever happens.
* :mod:`.convert`: line ends and filters, as Git's attributes have them.
* :mod:`.checkout`: read-only check-outs of trees under their object ids.
* :mod:`.diff`: differences of trees, as Git prints them.
* :mod:`.dates`: dates in words.
* :mod:`.address`, :mod:`.login`: what a person may name as the other side; how to log in there.
* :mod:`.transport`: how objects come from there; :mod:`.dulwich_transport` and
  :mod:`.git_transport` are the two ways, :mod:`.git_program` runs git.
* :mod:`.remote`: fetching from a URL, a path or an installed package.
"""
