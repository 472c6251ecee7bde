//! Trees that grow, join and are cut while it is asked all the time which of them a node is in: link-cut trees (Sleator and Tarjan,
//! "A data structure for dynamic trees", 1983), in which each deed takes logarithmic time on average, however deep the trees are.

/// Nodes in trees.
#[derive(Debug)]
pub struct Forest {
    /// Each node's parent in its tree.
    parents: Vec<u32>,
    /// Splay trees over paths, by depth: the parent in it, or at its root the parent of the path's highest node.
    above: Vec<u32>,
    below: Vec<[u32; 2]>,
}

/// No node.
pub const NONE: u32 = u32::MAX;

impl Forest {
    /// So many nodes, each a tree of its own.
    pub fn new(nodes: usize) -> Forest {
        Forest { parents: vec![NONE; nodes], above: vec![NONE; nodes], below: vec![[NONE; 2]; nodes] }
    }

    /// Each node's parent, or [`NONE`].
    pub fn into_parents(self) -> Vec<u32> {
        self.parents
    }

    /// The parent of a node, or [`NONE`].
    pub fn parent(&self, node: u32) -> u32 {
        self.parents[node as usize]
    }

    /// Makes `child`, which has no parent, a child of `parent`, unless that would be a loop.
    pub fn link(&mut self, parent: u32, child: u32) {
        debug_assert_eq!(self.parent(child), NONE, "a node with a parent is cut first");
        if self.root(parent) != child {
            // It is the highest of its path, and nothing is above it.
            self.access(child);
            self.above[child as usize] = parent;
            self.parents[child as usize] = parent;
        }
    }

    /// Makes `child` the root of a tree of its own.
    pub fn cut(&mut self, child: u32) {
        if self.parent(child) == NONE {
            return;
        }
        self.access(child);
        // What is before it in its path is what is above it.
        let higher = std::mem::replace(&mut self.below[child as usize][0], NONE);
        self.above[higher as usize] = NONE;
        self.parents[child as usize] = NONE;
    }

    /// The root of a node's tree.
    fn root(&mut self, node: u32) -> u32 {
        self.access(node);
        let mut root = node;
        while self.below[root as usize][0] != NONE {
            root = self.below[root as usize][0];
        }
        // So that the way was not long in vain.
        self.splay(root);
        root
    }

    /// Makes the way from the root to `node` one path, with `node` at the root of its splay tree.
    fn access(&mut self, node: u32) {
        let (mut at, mut last) = (node, NONE);
        while at != NONE {
            self.splay(at);
            self.below[at as usize][1] = last;
            last = at;
            at = self.above[at as usize];
        }
        self.splay(node);
    }

    fn splay(&mut self, node: u32) {
        while let Some(side) = self.side(node) {
            let parent = self.above[node as usize];
            match self.side(parent) {
                Some(of_parent) if of_parent == side => self.rotate(parent, side),
                Some(_) => self.rotate(node, side),
                None => {}
            }
            if let Some(side) = self.side(node) {
                self.rotate(node, side);
            }
        }
    }

    /// On which side of its splay parent a node is; `None` at the root of a splay tree.
    fn side(&self, node: u32) -> Option<usize> {
        let parent = self.above[node as usize];
        if parent == NONE { None } else { self.below[parent as usize].iter().position(|below| *below == node) }
    }

    /// Puts a node that is on `side` of its splay parent in that one's place.
    fn rotate(&mut self, node: u32, side: usize) {
        let parent = self.above[node as usize];
        let outer = self.above[parent as usize];
        let of_parent = self.side(parent);
        let inner = std::mem::replace(&mut self.below[node as usize][1 - side], parent);
        self.below[parent as usize][side] = inner;
        if inner != NONE {
            self.above[inner as usize] = parent;
        }
        self.above[parent as usize] = node;
        self.above[node as usize] = outer;
        if let Some(side) = of_parent {
            self.below[outer as usize][side] = node;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn has_above(parents: &[u32], mut node: u32, wanted: u32) -> bool {
        while node != NONE && node != wanted {
            node = parents[node as usize];
        }
        node == wanted
    }

    proptest! {
        #[test]
        fn loops_are_never_made(steps in proptest::collection::vec((any::<bool>(), 0u32..20, 0u32..20), 0..200)) {
            let (mut forest, mut model) = (Forest::new(20), vec![NONE; 20]);
            for (is_link, parent, child) in steps {
                if is_link && model[child as usize] == NONE {
                    forest.link(parent, child);
                    if !has_above(&model, parent, child) {
                        model[child as usize] = parent;
                    }
                } else {
                    forest.cut(child);
                    model[child as usize] = NONE;
                }
                prop_assert_eq!(&forest.parents, &model);
            }
        }
    }

    #[test]
    fn depth_costs_little() {
        let nodes = 100_000;
        let mut forest = Forest::new(nodes as usize);
        (1..nodes).for_each(|node| forest.link(node - 1, node));
        // Each asks from the bottom to the top.
        for _ in 0..20_000 {
            forest.link(nodes - 1, 0);
            forest.cut(nodes / 2);
            forest.link(nodes / 2 - 1, nodes / 2);
        }
        assert_eq!(forest.parent(0), NONE);
    }
}
